//! Parking against a model of a few lines: each key's events come back in their order, one after the other has ended, and what is
//! written of it brings the same back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use pandaflow::{
    Headers, Offset, Partition, Record, Timestamp, TopicName,
    policy::{
        outage::OutageWatch,
        parking::{ParkedCount, Parking, ParkingLimits, Released, Turns},
    },
    ports::{ParkChange, ParkedEvent},
};
use proptest::{collection::vec, prelude::*};

#[derive(Debug, Clone)]
enum Step {
    /// An event of a key comes; if nothing of the key is parked it fails, to be tried again after so long.
    Comes(u8, i64),
    /// So much time passes, and so many are handed out at most.
    Passes(i64, usize),
    /// The first of those that are handed out and to be tried ends, or fails again for so long.
    Tried(usize, Option<i64>),
    /// The process dies, and another reads what was written.
    Dies,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..4, 0_i64..50).prop_map(|(key, wait)| Step::Comes(key, wait)),
        3 => (0_i64..60, 1_usize..80).prop_map(|(time, most)| Step::Passes(time, most)),
        6 => (0_usize..8, prop::option::of(0_i64..50)).prop_map(|(which, again)| Step::Tried(which, again)),
        1 => Just(Step::Dies),
    ]
}

fn record(key: u8, offset: u64) -> Record {
    Record {
        topic: TopicName::new("t"),
        partition: Partition(0),
        offset: Offset(offset),
        timestamp: Timestamp(0),
        key: Some(Bytes::copy_from_slice(&[key])),
        value: Some(Bytes::from_static(b"value")),
        headers: Headers::default(),
    }
}

fn key(record: &Record) -> Bytes {
    record.key.clone().unwrap()
}

/// What a store has after these changes.
fn write(store: &mut BTreeMap<(TopicName, Offset), ParkedEvent>, change: ParkChange) {
    match change {
        ParkChange::Parked(event) => {
            store.insert((event.record.topic.clone(), event.record.offset), *event);
        }
        ParkChange::Ended { topic, offset } => drop(store.remove(&(topic, offset))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_come_back_in_their_order_and_what_is_written_brings_the_same_back(steps in vec(step(), 0..120)) {
        let mut parking = Parking::default();
        let (mut store, mut model) = (BTreeMap::new(), BTreeMap::<u8, VecDeque<u64>>::new());
        let mut dues = BTreeMap::<u8, i64>::new();
        // In the order of a lane.
        let mut out = Vec::<Released>::new();
        let (mut now, mut next) = (0, 0);
        for step in steps {
            match step {
                Step::Comes(of, wait) => {
                    let record = record(of, next);
                    let parked = parking.holds(&[of]);
                    prop_assert_eq!(parked, model.contains_key(&of));
                    let change = if parked {
                        parking.park_behind(key(&record), &record, 0, None)
                    } else {
                        dues.insert(of, now + wait);
                        parking.park(key(&record), &record, 1, Some(Timestamp(now)), Timestamp(now + wait))
                    };
                    write(&mut store, change);
                    model.entry(of).or_default().push_back(next);
                    next += 1;
                }
                Step::Passes(time, most) => {
                    now += time;
                    let released = parking.release(Timestamp(now), most);
                    prop_assert!(released.len() <= most);
                    for one in &released {
                        prop_assert!(dues[&one.key[0]] <= now, "{:?} came before its time", one);
                    }
                    out.extend(released);
                }
                Step::Tried(which, again) => {
                    out.retain(|one| parking.is_current(&one.key, one.wave));
                    let keys: Vec<u8> = out.iter().map(|one| one.key[0]).collect();
                    let Some(of) = keys.get(which % keys.len().max(1)).copied() else { continue };
                    // The first of its key in the lane.
                    let one = out.remove(keys.iter().position(|key| *key == of).unwrap());
                    let queue = model.get_mut(&of).unwrap();
                    prop_assert_eq!(Some(&one.event.record.offset.0), queue.front());
                    let change = if let Some(wait) = again {
                        dues.insert(of, now + wait);
                        let first = one.event.first_failed.or(Some(Timestamp(now)));
                        parking.again(&one.key, one.event.attempts + 1, first, Timestamp(now + wait))
                    } else {
                        queue.pop_front();
                        dues.insert(of, 0);
                        if queue.is_empty() {
                            model.remove(&of);
                        }
                        parking.ended(&one.key)
                    };
                    write(&mut store, change.unwrap());
                }
                Step::Dies => {
                    out.clear();
                    let found: Vec<_> = store.values().rev().cloned().collect();
                    parking = Parking::restored(ParkingLimits::default(), found, key);
                }
            }
            let events: usize = model.values().map(VecDeque::len).sum();
            let count = ParkedCount { keys: model.len(), events, bytes: events * 262 };
            prop_assert_eq!((parking.count(), store.len()), (count, events));
            prop_assert!(parking.out() <= events);
        }
        // Once all time has passed nothing is left behind.
        while !parking.is_empty() {
            out.retain(|one| parking.is_current(&one.key, one.wave));
            out.extend(parking.release(Timestamp(i64::MAX), 7));
            prop_assert!(!out.is_empty(), "asleep for good: {:?}", parking);
            let one = out.remove(0);
            prop_assert_eq!(model.get_mut(&one.key[0]).and_then(VecDeque::pop_front), Some(one.event.record.offset.0));
            write(&mut store, parking.ended(&one.key).unwrap());
        }
        prop_assert!(store.is_empty());
    }

    #[test]
    fn both_sides_have_their_share(rounds in 1_usize..400, fresh in 1_usize..50, released in 1_usize..50) {
        let (mut turns, mut had) = (Turns::default(), (0, 0));
        for _ in 0..rounds {
            if turns.is_released_turn() {
                turns.released(released);
                had.1 += released;
            } else {
                turns.fresh(fresh);
                had.0 += fresh;
            }
        }
        // No side is ahead by more than its last turn.
        let (fresh, released) = (fresh as i64, released as i64);
        let owed = had.0 as i64 * 30 - had.1 as i64 * 70;
        prop_assert!((-released * 70..=fresh * 30).contains(&owed), "{:?}", had);
    }
}

#[test]
fn limits_of_keys_events_and_bytes_are_each_a_limit() {
    let limits = ParkingLimits { keys: 3, events: 5, bytes: 2_000 };
    let parking = |keys: u8, each: u64| {
        let events = (0..keys).flat_map(|of| (0..each).map(move |no| (of, no)));
        let found = events.map(|(of, no)| ParkedEvent {
            place: u64::from(of) * 100 + no,
            record: record(of, u64::from(of) * 100 + no),
            attempts: 1,
            first_failed: None,
            due: None,
        });
        Parking::restored(limits, found.collect(), key)
    };
    assert!(!parking(2, 2).is_full());
    assert!(parking(3, 1).is_full(), "keys");
    assert!(parking(1, 5).is_full(), "events");
    let few = ParkingLimits { bytes: 1_000, ..limits };
    let found = (0..4).map(|no| ParkedEvent {
        place: no,
        record: record(0, no),
        attempts: 1,
        first_failed: None,
        due: None,
    });
    assert!(Parking::restored(few, found.collect(), key).is_full(), "bytes");
}

#[test]
fn one_event_that_fails_again_and_again_is_no_outage() {
    use pandaflow::ErrorClass;
    let at = |n: u64| std::time::Duration::from_millis(n);
    let mut watch = OutageWatch::default();
    (1..500).for_each(|attempt| watch.failed(attempt, ErrorClass::Transient, at(attempt.into())));
    assert!(!watch.is_on());
    // Faults of the events themselves are none, however many.
    (0..500).for_each(|n| watch.failed(1, ErrorClass::Poison, at(n)));
    (0..500).for_each(|n| watch.failed(1, ErrorClass::Business, at(n)));
    assert!(!watch.is_on());
    // Nine of ten fail.
    for n in 0..64 {
        if n % 8 == 0 { watch.succeeded(1, || at(n)) } else { watch.failed(1, ErrorClass::Transient, at(n)) }
    }
    assert!(!watch.is_on(), "seven of eight are fewer");
    (0..64).for_each(|n| watch.failed(1, ErrorClass::Transient, at(n)));
    assert!(watch.is_on());
    watch.failed(2, ErrorClass::Transient, at(65));
    assert!(watch.is_on());
    watch.succeeded(3, || at(66));
    assert!(!watch.is_on());
}
