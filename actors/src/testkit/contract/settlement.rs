//! A settlement becomes real as a whole and in the order of the calls, or not at all.

use bytes::Bytes;
use pandaflow::{
    EventId, Offset, Partition, Timestamp, TopicName, partition_of,
    policy::ledger::Ledger,
    ports::{
        Acquired, AttemptChange, Claim, DeadLetterFilter, FailedAttempts, Mark, Owner, SettleErrorKind,
        Settlement, StateChange, Verdict,
    },
};

use super::{
    dead_letters::letter,
    stage::{Stage, effects, keyed, numbers, progress, values, within},
};

/// The partition is that of Kafka's murmur2, and two outputs of one partition keep their order.
pub async fn outputs_lie_in_order_in_the_partition_of_their_key(stage: Stage) {
    let topic = stage.topic("paper.out", 6).await;
    let keys: Vec<String> = (0..300).map(|key| format!("key-{}", key % 40)).collect();
    let owner = stage.acquire("g", 0, &[]).await.owner;
    for (round, keys) in keys.chunks(100).enumerate() {
        let record = |(place, key): (usize, &String)| keyed(&topic, key, &(round * 100 + place).to_string());
        let outputs = keys.iter().enumerate().map(record).collect();
        stage.settle(Settlement { outputs, ..effects(&owner) }).await;
    }
    let found = stage.read(&topic, 300).await;
    for partition in (0..6).map(Partition) {
        let lies = |(_, key): &(usize, &String)| partition_of(Some(key.as_bytes()), 6) == partition;
        let expected: Vec<String> =
            keys.iter().enumerate().filter(lies).map(|(place, _)| place.to_string()).collect();
        let here: Vec<_> = found.iter().filter(|record| record.partition == partition).cloned().collect();
        assert_eq!(values(&here), expected, "partition {partition}");
    }
}

/// Offsets count up from 0 in each partition; where a transport needs some for itself, they rise.
pub async fn offsets_are_dense_from_zero(stage: Stage) {
    let topic = stage.topic("paper.out", 3).await;
    for round in 0..5 {
        let records = (0..20).map(|key| keyed(&topic, &(round * 20 + key).to_string(), "v")).collect();
        stage.publish(records).await;
    }
    let found = stage.read(&topic, 100).await;
    for partition in (0..3).map(Partition) {
        let offsets: Vec<u64> = found
            .iter()
            .filter(|record| record.partition == partition)
            .map(|record| record.offset.0)
            .collect();
        if stage.limits().dense_offsets {
            assert!(
                offsets.iter().copied().eq(0..offsets.len() as u64),
                "partition {partition}: {offsets:?}"
            );
        }
        assert!(offsets.is_sorted_by(|one, next| one < next), "partition {partition}: {offsets:?}");
    }
}

/// Effects of every kind.
pub(super) fn everything(owner: &Owner, topic: &TopicName, id: EventId) -> Settlement {
    Settlement {
        outputs: vec![keyed(topic, "k", "output")],
        states: vec![StateChange::new(Bytes::from_static(b"k"), Some(Bytes::from_static(b"state")))],
        marks: vec![Mark { id, expires: Timestamp(1_000_000) }],
        dead_letters: vec![letter("g", "processor")],
        attempts: vec![AttemptChange::Failed(FailedAttempts {
            topic: topic.clone(),
            offset: Offset(9),
            attempts: 2,
            first_failed: Timestamp(5),
        })],
        progress: vec![(topic.clone(), progress("1;7;9"))],
        ledger: Ledger { consumed: 8, succeeded: 7, dead_lettered: 1, ..Ledger::default() },
        ..effects(owner)
    }
}

/// That a group has settled nothing: no state, progress, ledger, attempts, dead letter, output or mark.
pub(super) async fn nothing_is_settled(stage: &Stage, before: &Acquired, topic: &TopicName, id: EventId) {
    let owner = &before.owner;
    assert_eq!(stage.scan(owner.group.as_str()).await, []);
    let letters = within(stage.transport().dead_letters().list(DeadLetterFilter::default())).await;
    assert_eq!(letters, Ok(vec![]));
    assert_eq!(stage.read(topic, 0).await, []);
    let after = stage.acquire(owner.group.as_str(), owner.partition.0, &[topic]).await;
    assert_eq!(after.progress, before.progress);
    assert_eq!((after.ledger, after.attempts), (before.ledger, before.attempts.clone()));
    let lease = std::time::Duration::from_secs(1);
    let claim = Claim { owner: after.owner, ids: vec![id], now: Timestamp(0), lease };
    assert_eq!(within(stage.transport().dedup().claim(claim)).await, Ok(vec![Verdict::Fresh]));
}

/// One output to a topic that is missing, and nothing of the rest is real.
pub async fn a_refused_settlement_leaves_nothing_behind(stage: Stage) {
    let topic = stage.topic("paper.out", 1).await;
    let before = stage.acquire("g", 0, &[&topic]).await;
    let id = EventId(uuid::Uuid::from_u128(1));
    let mut settlement = everything(&before.owner, &topic, id);
    settlement.outputs.push(keyed(&TopicName::new("paper.missing"), "k", "v"));
    let unsettled = stage.refused(settlement).await;
    assert_eq!(unsettled.error.kind, SettleErrorKind::Refused);
    assert!(unsettled.error.source.message.contains("paper.missing"), "{}", unsettled.error);
    nothing_is_settled(&stage, &before, &topic, id).await;
}

/// Once its owner has read the refusal, it can go on without what was refused.
pub async fn after_a_refusal_later_settlements_work(stage: Stage) {
    let topic = stage.topic("paper.out", 1).await;
    let owner = stage.acquire("g", 0, &[]).await.owner;
    let outputs = vec![keyed(&TopicName::new("paper.missing"), "k", "v")];
    stage.refused(Settlement { outputs, ..effects(&owner) }).await;
    let outputs = vec![keyed(&topic, "k", "0")];
    stage.settle(Settlement { outputs, ..effects(&owner) }).await;
    assert_eq!(values(&stage.read(&topic, 1).await), ["0"]);
}

/// Whoever settles gets back what it needs to try again.
pub async fn an_unsettled_settlement_comes_back_whole(stage: Stage) {
    let topic = TopicName::new("paper.missing");
    let owner = stage.acquire("g", 0, &[]).await.owner;
    let settlement = everything(&owner, &topic, EventId(uuid::Uuid::from_u128(1)));
    assert_eq!(stage.refused(settlement.clone()).await.settlement, settlement);
}

/// Calls that are not waited for keep their order, in outputs as in state.
pub async fn settlements_become_real_in_the_order_of_the_calls(stage: Stage) {
    let topic = stage.topic("paper.out", 1).await;
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    let store = stage.settlements();
    let calls: Vec<_> = (0..200_u32)
        .map(|number| {
            let text = number.to_string();
            store.settle(Settlement {
                outputs: vec![keyed(&topic, "k", &text)],
                states: vec![StateChange::new(Bytes::from_static(b"k"), Some(text.into()))],
                progress: vec![(topic.clone(), progress(&format!("1;{number};")))],
                ..effects(&owner)
            })
        })
        .collect();
    for call in calls.into_iter().rev() {
        within(call).await.expect("it can be settled");
    }
    assert_eq!(values(&stage.read(&topic, 200).await), numbers(0..200));
    assert_eq!(stage.state("g", 0, "k").await.as_deref(), Some(b"199".as_slice()));
    assert_eq!(stage.acquire("g", 0, &[&topic]).await.progress[0].1, progress("1;199;"));
}

/// Nothing is something too: a heartbeat.
pub async fn an_empty_settlement_is_settled(stage: Stage) {
    let owner = stage.acquire("g", 0, &[]).await.owner;
    stage.settle(effects(&owner)).await;
}
