//! At-least-once: outputs and dead letters confirmed, then state and counts of attempts, then the dedup marks, then the
//! offsets committed. A crash between any two leads to another try and never to a loss; what has gone into a state stands
//! beside it, so that the other try doesn't apply it again.

use std::sync::Arc;

use pandaflow::ports::{SettleErrorKind, Settlement, Standing};

use super::{
    Why, held, let_go,
    records::{changes, effects, make_letter_topics, offsets},
    retry, who,
};
use crate::transport::kafka::{
    changelog_records::changelog_records,
    commit_note::Tally,
    core::Core,
    desk::{NotCommitted, Request},
    failure::{closed, store_error},
    owners::Life,
    sending::{give_up, send},
};

/// Makes settlements real. Those in `written` come first, tried again: their outputs and dead letters are on the log
/// already, and going out once more they would be there twice.
pub(super) async fn make_real(
    core: &Arc<Core>,
    life: &Life,
    settlements: &[&Settlement],
    written: &mut Vec<Settlement>,
) -> Result<(), Why> {
    let known = common(settlements, written);
    let rest = &settlements[known..];
    make_letter_topics(core, life, rest).await?;
    let records = effects(core, rest).map_err(retry)?;
    send(core, records, || effects(core, rest)).await?;
    let real = keep(core, life, settlements).await;
    match &real {
        Ok(()) if known == settlements.len() => drop(written.drain(..known)),
        Err((SettleErrorKind::Retry, _)) if known == settlements.len() => {}
        Err((SettleErrorKind::Retry, _)) => {
            *written = settlements.iter().map(|settlement| (*settlement).clone()).collect();
        }
        _ => written.clear(),
    }
    real
}

/// How many settlements at the front are those that were written before.
fn common(settlements: &[&Settlement], written: &[Settlement]) -> usize {
    settlements.iter().zip(written).take_while(|(settlement, written)| **settlement == *written).count()
}

/// What comes after the outputs: states, marks, offsets.
async fn keep(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    let (records, entries) = changes(core, life, settlements).await?;
    if !records.is_empty() {
        held(life)?;
        let name = core.names.topic(&core.names.changelog(&life.owner.group)).into();
        send(core, records, || Ok(changelog_records(&name, life, settlements).0)).await?;
        let mut table = life.table();
        entries.into_iter().for_each(|entry| table.take_in(entry));
    }
    let marks: Vec<_> = settlements.iter().flat_map(|settlement| settlement.marks.iter().copied()).collect();
    if !marks.is_empty() {
        held(life)?;
        if let Standing::Fenced { by } =
            core.config.dedup.mark(life.owner.clone(), marks).await.map_err(retry)?
        {
            // If the partition is another's by now, its consumer says so; if it is still ours, it needs a higher epoch.
            let why = format!("{}: the dedup store knows of a later owner, of epoch {by}", who(life));
            return Err((SettleErrorKind::StartOver, store_error(why)));
        }
    }
    commit(core, life, settlements).await
}

/// Commits how far the owner has come by the last of the settlements.
async fn commit(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    let tally = |tally: Tally| tally.write();
    let entries = offsets(core, life, settlements, false, tally).await?;
    if entries.is_empty() {
        return Ok(());
    }
    held(life)?;
    let answer =
        life.hand_in(Request { records: Vec::new(), entries, events: 0, held: Arc::clone(&life.held) });
    let patience = core.config.request_timeout * 3;
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(Ok(()))) => {
            let_go(life, settlements);
            Ok(())
        }
        Ok(Ok(Err(NotCommitted::Fenced(why)))) => {
            Err((SettleErrorKind::Fenced, store_error(format!("{}: {why}", who(life)))))
        }
        Ok(Ok(Err(NotCommitted::Retry(why)))) => Err(retry(store_error(why))),
        Ok(Ok(Err(NotCommitted::Unfit(refusals)))) => give_up(core, &refusals).map_or(Ok(()), Err),
        Ok(Err(_)) => Err(retry(closed())),
        Err(_) => Err(retry(store_error(format!("a commit had no answer within {patience:?}")))),
    }
}
