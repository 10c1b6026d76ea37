//! At-least-once: outputs and dead letters confirmed, then state and counts of attempts, then the dedup marks, then the
//! offsets committed. A crash between any two leads to another try and never to a loss; what has gone into a state stands
//! beside it, so that the other try doesn't apply it again.

use std::sync::Arc;

use pandaflow::ports::{SettleErrorKind, Settlement};

use super::{Why, changes, effects, held, offsets, retry, who};
use crate::transport::kafka::{
    core::Core,
    desk::{NotCommitted, Request},
    failure::{closed, store_error},
    owners::Life,
};

/// Makes settlements real. Those in `sent` come first, tried again: their outputs and dead letters are on the log already,
/// and going out once more they would be there twice.
pub(super) async fn make_real(
    core: &Arc<Core>,
    life: &Life,
    settlements: &[&Settlement],
    sent: &mut Vec<Settlement>,
) -> Result<(), Why> {
    let again = settlements.iter().zip(&*sent).take_while(|(settlement, sent)| **settlement == *sent).count();
    let first = effects(core, life, &settlements[again..]).await?;
    if !first.is_empty() {
        core.producer.send(first.into_iter()).await.map_err(retry)?;
    }
    let real = keep(core, life, settlements).await;
    match &real {
        Ok(()) if again == settlements.len() => drop(sent.drain(..again)),
        Ok(()) => sent.clear(),
        Err(_) if again < settlements.len() => {
            *sent = settlements.iter().map(|settlement| (*settlement).clone()).collect();
        }
        Err(_) => {}
    }
    real
}

/// What comes after the outputs: states, marks, offsets.
async fn keep(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    let (records, entries) = changes(core, life, settlements).await?;
    if !records.is_empty() {
        held(life)?;
        core.producer.send(records.into_iter()).await.map_err(retry)?;
        let mut table = life.table();
        entries.into_iter().for_each(|entry| table.take_in(entry));
    }
    let marks: Vec<_> = settlements.iter().flat_map(|settlement| settlement.marks.iter().copied()).collect();
    if !marks.is_empty() {
        held(life)?;
        core.config.dedup.mark(life.owner.clone(), marks).await.map_err(retry)?;
    }
    commit(core, life, settlements).await
}

/// Commits how far the owner has come by the last of the settlements.
async fn commit(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    let tally = |tally: super::Tally| tally.write();
    let entries = offsets(core, life, settlements, false, tally).await?;
    if entries.is_empty() {
        return Ok(());
    }
    held(life)?;
    let answer =
        life.hand_in(Request { records: Vec::new(), entries, events: 0, held: Arc::clone(&life.held) });
    let patience = core.config.request_timeout * 3;
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(NotCommitted::Fenced(why)))) => {
            Err((SettleErrorKind::Fenced, store_error(format!("{}: {why}", who(life)))))
        }
        Ok(Ok(Err(NotCommitted::Retry(why)))) => Err(retry(store_error(why))),
        Ok(Err(_)) => Err(retry(closed())),
        Err(_) => Err(retry(store_error(format!("a commit had no answer within {patience:?}")))),
    }
}
