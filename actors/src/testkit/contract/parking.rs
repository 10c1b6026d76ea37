//! What is parked is known to the next owner, whole and in its order, until it has ended.

use bytes::Bytes;
use pandaflow::{
    Header, Headers, Offset, Partition, Record, Timestamp, TopicName,
    ports::{ParkChange, ParkedEvent, SettleErrorKind, Settlement},
};

use super::stage::{Stage, effects};

fn parked(topic: &TopicName, offset: u64, place: u64) -> ParkedEvent {
    let record = Record {
        topic: topic.clone(),
        partition: Partition(0),
        offset: Offset(offset),
        timestamp: Timestamp(1_700_000_000_000),
        key: Some(Bytes::from_static(b"k\0\xff")),
        value: Some(format!("value {offset}").into()),
        headers: Headers::new(vec![
            Header { name: Bytes::from_static(b"a"), value: Some(Bytes::from_static(b"\0")) },
            Header { name: Bytes::from_static(b"a"), value: None },
        ]),
    };
    let first_failed = Some(Timestamp(1_700_000_000_500));
    ParkedEvent { place, record, attempts: 2, first_failed, due: Some(Timestamp(1_700_000_009_000)) }
}

/// One that waits behind another, with as little in it as there may be.
fn behind(topic: &TopicName, offset: u64, place: u64) -> ParkedEvent {
    let event = parked(topic, offset, place);
    let record = Record { key: None, value: None, headers: Headers::default(), ..event.record };
    ParkedEvent { record, attempts: 0, first_failed: None, due: None, ..event }
}

fn change(event: &ParkedEvent) -> ParkChange {
    ParkChange::Parked(Box::new(event.clone()))
}

fn ended(event: &ParkedEvent) -> ParkChange {
    ParkChange::Ended { topic: event.record.topic.clone(), offset: event.record.offset }
}

async fn found(stage: &Stage, topics: &[&TopicName]) -> Vec<ParkedEvent> {
    let mut found = stage.acquire("g", 0, topics).await.parked;
    found.sort_by_key(|event| event.place);
    found
}

/// Byte for byte, with its times and its place, over any number of owners.
pub async fn parked_events_come_back_whole(stage: Stage) {
    let (a, b) = (stage.topic("paper.a", 1).await, stage.topic("paper.b", 1).await);
    let owner = stage.acquire("g", 0, &[&a, &b]).await.owner;
    let events = [parked(&a, 7, 3), behind(&b, 7, 4), behind(&a, 9, 5)];
    stage.settle(Settlement { parking: events.iter().map(change).collect(), ..effects(&owner) }).await;
    for _ in 0..3 {
        assert_eq!(found(&stage, &[&a, &b]).await, events);
    }
}

/// The last word on an event counts, also within one settlement.
pub async fn an_event_parked_again_takes_its_own_place_and_one_that_ended_is_gone(stage: Stage) {
    let topic = stage.topic("paper.a", 1).await;
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    let [one, two, three] = [parked(&topic, 1, 1), behind(&topic, 2, 2), behind(&topic, 3, 3)];
    let again = ParkedEvent { attempts: 3, due: Some(Timestamp(1_700_000_099_000)), ..one.clone() };
    let settlements = [
        vec![change(&one), change(&two)],
        vec![change(&again), change(&three), ended(&two)],
        vec![ended(&three), change(&three), ended(&three)],
    ];
    for parking in settlements {
        stage.settle(Settlement { parking, ..effects(&owner) }).await;
    }
    assert_eq!(found(&stage, &[&topic]).await, std::slice::from_ref(&again));
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    stage.settle(Settlement { parking: vec![ended(&again)], ..effects(&owner) }).await;
    assert_eq!(found(&stage, &[&topic]).await, []);
}

/// Another partition or group has parked events of its own.
pub async fn parked_events_are_kept_per_partition(stage: Stage) {
    let topic = stage.topic("paper.a", 2).await;
    for partition in 0..2 {
        let owner = stage.acquire("g", partition, &[&topic]).await.owner;
        let mut event = parked(&topic, u64::from(partition), 1);
        event.record.partition = Partition(partition);
        stage.settle(Settlement { parking: vec![change(&event)], ..effects(&owner) }).await;
    }
    let found = stage.acquire("g", 1, &[&topic]).await.parked;
    assert_eq!(found.iter().map(|event| event.record.offset.0).collect::<Vec<_>>(), [1]);
    assert_eq!(stage.acquire("h", 0, &[&topic]).await.parked, []);
}

/// What an owner parks or ends after it was replaced is not so.
pub async fn a_replaced_owner_parks_and_ends_nothing(stage: Stage) {
    let topic = stage.topic("paper.a", 1).await;
    let earlier = stage.acquire("g", 0, &[&topic]).await.owner;
    let (kept, late) = (parked(&topic, 1, 1), parked(&topic, 2, 2));
    stage.settle(Settlement { parking: vec![change(&kept)], ..effects(&earlier) }).await;
    assert_eq!(found(&stage, &[&topic]).await, std::slice::from_ref(&kept));
    let parking = vec![ended(&kept), change(&late)];
    let refused = stage.settlements().settle(Settlement { parking, ..effects(&earlier) }).await;
    let kind = refused.expect_err("it was replaced").error.kind;
    assert!(matches!(kind, SettleErrorKind::Fenced), "{kind:?}");
    assert_eq!(found(&stage, &[&topic]).await, [kept]);
}
