//! At-least-once: outputs and dead letters confirmed, then state, counts of attempts and parked events, then the dedup marks, then
//! the end of events that were parked, then the offsets committed. A crash between any two leads to another try and never to a
//! loss; what has gone into a state stands beside it, so that the other try doesn't apply it again.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::ports::{SettleErrorKind, Settlement, Standing};

use super::{
    Why, held,
    records::{changes, effects, ends, make_letter_topics, offsets},
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

/// Writes outputs and dead letters of settlements, then states and marks of all. An error tells whether the former are on the log.
pub(super) async fn write(
    core: &Arc<Core>,
    life: &Life,
    settlements: &[&Settlement],
    all: &[&Settlement],
) -> Result<(), (bool, Why)> {
    send_effects(core, life, settlements).await.map_err(|why| (false, why))?;
    keep(core, life, all).await.map_err(|why| (true, why))
}

async fn send_effects(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    make_letter_topics(core, life, settlements).await?;
    let records = effects(core, settlements).map_err(retry)?;
    send(core, records, || effects(core, settlements)).await
}

/// What comes after the outputs: states, parked events, marks, the end of what was parked.
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
    let (records, entries) = ends(core, life, settlements);
    if !records.is_empty() {
        held(life)?;
        send(core, records, || Ok(ends(core, life, settlements).0)).await?;
        let mut table = life.table();
        entries.into_iter().for_each(|entry| table.take_in(entry));
    }
    Ok(())
}

/// Commits how far the owner has come by the last of the settlements, which are written; nothing if there is nothing to commit.
pub(super) async fn commit(
    core: &Arc<Core>,
    life: &Arc<Life>,
    settlements: &[&Settlement],
) -> Result<Option<BoxFuture<'static, Result<(), Why>>>, Why> {
    let tally = |tally: Tally| tally.write();
    let entries = offsets(core, life, settlements, false, tally).await?;
    if entries.is_empty() {
        return Ok(None);
    }
    held(life)?;
    let answer =
        life.hand_in(Request { records: Vec::new(), entries, events: 0, held: Arc::clone(&life.held) });
    let patience = core.config.request_timeout * 3;
    let (core, life) = (Arc::clone(core), Arc::clone(life));
    let committed = async move {
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(NotCommitted::Fenced(why)))) => {
                Err((SettleErrorKind::Fenced, store_error(format!("{}: {why}", who(&life)))))
            }
            Ok(Ok(Err(NotCommitted::Retry(why)))) => Err(retry(store_error(why))),
            Ok(Ok(Err(NotCommitted::Unfit(refusals)))) => give_up(&core, &refusals).map_or(Ok(()), Err),
            Ok(Err(_)) => Err(retry(closed())),
            Err(_) => Err(retry(store_error(format!("a commit had no answer within {patience:?}")))),
        }
    };
    Ok(Some(committed.boxed()))
}
