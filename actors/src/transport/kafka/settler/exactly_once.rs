//! Exactly-once: outputs, dead letters, state, counts of attempts and offsets go into one transaction of the owner's
//! consumer, beside those of its other owners.
//!
//! The dedup marks follow once it is committed: before that they would make duplicates of events that are yet to be done
//! again. A crash between the two leaves the events settled and unmarked: the same id at another offset is handled then.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use pandaflow::{
    Clock, SystemClock, TopicName,
    policy::watermark::Progress,
    ports::{Mark, SettleErrorKind, Settlement, Standing},
};

use super::{
    Why, held, let_go,
    records::{changes, effects, ends, make_letter_topics, offsets},
    retry, who,
};
use crate::transport::kafka::{
    changelog::{ranges_key, ranges_value},
    commit_note::Tally,
    core::Core,
    desk::{NotCommitted, Request},
    failure::store_error,
    owners::Life,
    record::Outbound,
    sending::give_up,
};

/// So many ranges fit into a note, however far apart they lie: two numbers each, of ten bytes at most.
const SURELY_NOTED: usize = 150;
/// The first and the longest wait before marks that were not taken are written again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

pub(super) async fn make_real(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    make_letter_topics(core, life, settlements).await?;
    let mut records = effects(core, settlements).map_err(retry)?;
    let (changed, mut entries) = changes(core, life, settlements).await?;
    records.extend(changed);
    let (ended, meaning) = ends(core, life, settlements);
    records.extend(ended);
    entries.extend(meaning);
    records.extend(ranges(core, life, settlements).await?);
    // With a number, so that it can be told whether this commit became real.
    let number = life.commits.fetch_add(1, Ordering::Relaxed);
    let tally = |tally: Tally| tally.write_numbered(number);
    let offsets = offsets(core, life, settlements, !records.is_empty(), tally).await?;
    if !offsets.is_empty() {
        held(life)?;
        let consumed = settlements.last().map_or(0, |last| last.ledger.consumed);
        let before = life.consumed.fetch_max(consumed, Ordering::Relaxed);
        let events = consumed.saturating_sub(before);
        let held = Arc::clone(&life.held);
        let answer = life.hand_in(Request { records, entries: offsets, events, held });
        // However long: whoever has taken it alone knows whether it becomes real.
        match answer.await {
            Ok(Ok(())) => {}
            Ok(Err(NotCommitted::Retry(why))) => return Err(retry(store_error(why))),
            Ok(Err(NotCommitted::Fenced(why))) => return Err(fenced(life, &why)),
            Ok(Err(NotCommitted::Unfit(refusals))) => {
                let refused = give_up(core, &refusals);
                return Err(refused.unwrap_or_else(|| retry(store_error("records were not taken"))));
            }
            Err(_) => return Err(fenced(life, "whether it became real is not known")),
        }
        let mut table = life.table();
        entries.into_iter().for_each(|entry| table.take_in(entry));
        drop(table);
        let_go(life, settlements);
    }
    mark(core, life, settlements).await;
    Ok(())
}

/// Ranges above the watermarks that a note may have no room for, as records of the changelog: without them their events
/// would be handled again after a restart.
async fn ranges(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<Vec<Outbound>, Why> {
    let mut latest: BTreeMap<&TopicName, &Progress> = BTreeMap::new();
    latest.extend(
        settlements.iter().flat_map(|settlement| &settlement.progress).map(|(topic, at)| (topic, at)),
    );
    latest.retain(|_, progress| progress.above.len() > SURELY_NOTED);
    if latest.is_empty() {
        return Ok(Vec::new());
    }
    let owner = &life.owner;
    let changelog =
        core.changelog_for(&owner.group, owner.partition.0, life.partitions).await.map_err(retry)?;
    let changelog: Arc<str> = core.names.topic(&changelog).into();
    let record = |(topic, progress): (&TopicName, &Progress)| Outbound {
        topic: changelog.clone(),
        partition: owner.partition,
        timestamp: SystemClock.now().0,
        key: Some(ranges_key(topic)),
        value: Some(ranges_value(&progress.above)),
        headers: None,
    };
    Ok(latest.into_iter().map(record).collect())
}

fn fenced(life: &Life, why: &str) -> Why {
    (SettleErrorKind::Fenced, store_error(format!("{}: {why}", who(life))))
}

/// Marks what is real, as long as the partition is ours.
async fn mark(core: &Core, life: &Life, settlements: &[&Settlement]) {
    let marks: Vec<Mark> =
        settlements.iter().flat_map(|settlement| settlement.marks.iter().copied()).collect();
    let mut wait = BACKOFF.0;
    while !marks.is_empty() && life.is_held() {
        match core.config.dedup.mark(life.owner.clone(), marks.clone()).await {
            Ok(Standing::InForce) => return,
            Ok(Standing::Fenced { by }) => {
                log::warn!(
                    "kafka: {}: {} events that are settled are not marked: the dedup store knows of a later owner, of epoch {by}",
                    who(life),
                    marks.len()
                );
                return;
            }
            Err(error) => log::warn!("kafka: {}: marking {} events: {error}", who(life), marks.len()),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}
