//! What is kept is there when the transport is opened again. Passed over where it keeps nothing.

use std::time::Duration;

use bytes::Bytes;
use pandaflow::{
    EventId, Timestamp,
    ports::{Claim, DeadLetterFilter, SettleErrorKind, Verdict},
};

use super::{
    settlement::everything,
    stage::{Stage, effects, keyed, numbers, values, within},
};

/// Outputs, state, marks, dead letters, attempts, progress, ledger and tables.
pub async fn everything_settled_is_there_after_reopening(mut stage: Stage) {
    let topic = stage.table("paper.out", 2).await;
    let before = stage.acquire("g", 0, &[&topic]).await.owner;
    let id = EventId(uuid::Uuid::from_u128(1));
    let settled = everything(&before, &topic, id);
    stage.settle(settled.clone()).await;
    if !stage.reopen().await {
        return;
    }
    assert_eq!(stage.scan("g").await, [(Bytes::from_static(b"k"), Bytes::from_static(b"state"))]);
    let after = stage.acquire("g", 0, &[&topic]).await;
    assert_eq!((after.progress, after.ledger), (settled.progress, settled.ledger));
    assert_eq!(after.attempts.len(), 1);
    let letters = within(stage.transport().dead_letters().list(DeadLetterFilter::default())).await;
    let letters: Vec<_> =
        letters.expect("they can be listed").into_iter().map(|stored| stored.letter).collect();
    assert_eq!(letters, settled.dead_letters);
    let lease = Duration::from_secs(1);
    let claim = Claim { owner: after.owner, ids: vec![id], now: Timestamp(0), lease };
    assert_eq!(within(stage.transport().dedup().claim(claim)).await, Ok(vec![Verdict::Done]));
    let table = within(stage.transport().tables().open(topic.clone())).await.expect("the topic is there");
    assert!(table.latest(b"k").is_some());
    assert_eq!(values(&stage.read(&topic, 1).await), ["output"]);
}

/// An owner of an earlier life can't settle.
pub async fn epochs_rise_over_reopening(mut stage: Stage) {
    let before = stage.acquire("g", 0, &[]).await.owner;
    if !stage.reopen().await {
        return;
    }
    let after = stage.acquire("g", 0, &[]).await.owner;
    assert!(after.epoch > before.epoch);
    assert_eq!(stage.refused(effects(&before)).await.error.kind, SettleErrorKind::Fenced);
}

/// Topics keep their partitions, and offsets go on counting.
pub async fn the_log_goes_on_after_reopening(mut stage: Stage) {
    let topic = stage.topic("paper.out", 1).await;
    stage.publish_values(&topic, 0..5).await;
    if !stage.reopen().await {
        return;
    }
    stage.publish(vec![keyed(&topic, "k", "5")]).await;
    let found = stage.read(&topic, 6).await;
    assert_eq!(values(&found), numbers(0..6));
    let offsets: Vec<u64> = found.iter().map(|record| record.offset.0).collect();
    assert!(offsets.iter().copied().eq(0..6) || !stage.limits().dense_offsets, "{offsets:?}");
    assert!(offsets.is_sorted_by(|one, next| one < next), "{offsets:?}");
}
