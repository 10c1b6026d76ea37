//! Ids are derived and traces are read strictly: the same input gives the same id, and no text panics.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;

use pandaflow::{EventId, Offset, Partition, Position, Timestamp, TopicName, TraceParent};
use proptest::prelude::*;
use uuid::Uuid;

fn id() -> impl Strategy<Value = EventId> {
    any::<u128>().prop_map(|bits| EventId(Uuid::from_u128(bits)))
}

/// Instants that fit the 48 bits of a UUID v7.
fn time() -> impl Strategy<Value = Timestamp> {
    (0..1_i64 << 48).prop_map(Timestamp)
}

fn position(partition: u32, offset: u64) -> Position {
    Position { topic: TopicName::new("paper.a"), partition: Partition(partition), offset: Offset(offset) }
}

/// Version 7, the RFC's variant, and the time in the first 48 bits.
fn is_of(id: EventId, time: Timestamp) -> bool {
    let bits = id.0.as_u128();
    id.0.get_version_num() == 7
        && id.0.get_variant() == uuid::Variant::RFC4122
        && (bits >> 80) as i64 == time.0
}

proptest! {
    #[test]
    fn a_derived_id_is_the_same_each_time_and_has_the_time_of_its_cause(
        cause in id(), emitter in ".{0,40}", ordinal: u32, time in time(),
    ) {
        let derived = EventId::derived(cause, &emitter, ordinal, time);
        prop_assert_eq!(derived, EventId::derived(cause, &emitter, ordinal, time));
        prop_assert!(is_of(derived, time));
        prop_assert!(derived != EventId::derived(cause, &emitter, ordinal ^ 1, time));
        let other = format!("{emitter}x");
        prop_assert!(derived != EventId::derived(cause, &other, ordinal, time));
        prop_assert!(derived != EventId::derived(derived, &emitter, ordinal, time));
        prop_assert_eq!(derived.to_string().parse(), Ok(derived));
    }

    #[test]
    fn an_id_of_a_place_tells_places_apart(partition: u32, offset in 0..u64::MAX, ordinal in 0..u64::MAX, time in time()) {
        let here = EventId::of_position(&position(partition, offset), time);
        prop_assert!(is_of(here, time));
        prop_assert!(here != EventId::of_position(&position(partition, offset + 1), time));
        prop_assert!(here != EventId::of_position(&position(partition ^ 1, offset), time));
        let line = EventId::of_source("trades.zip", ordinal, time);
        prop_assert!(is_of(line, time));
        prop_assert!(line != EventId::of_source("trades.zip", ordinal + 1, time));
        prop_assert!(line != EventId::of_source("trades.csv", ordinal, time));
    }

    #[test]
    fn an_instant_before_1970_or_far_away_makes_an_id_all_the_same(cause in id(), millis: i64) {
        let derived = EventId::derived(cause, "g", 0, Timestamp(millis));
        prop_assert_eq!(derived.0.get_version_num(), 7);
    }

    #[test]
    fn a_trace_is_read_as_it_was_written(trace_id in 1..=u128::MAX, span_id in 1..=u64::MAX, flags: u8) {
        let trace = TraceParent { trace_id, span_id, flags };
        prop_assert_eq!(TraceParent::parse(trace.to_string().as_bytes()), Some(trace));
    }

    #[test]
    fn no_bytes_panic_as_a_trace_and_what_is_read_is_written_the_same(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..70),
            "00-[0-9a-gA-F]{31,33}-[0-9a-f]{16}-[0-9a-f]{2}".prop_map(String::into_bytes),
            ".{55}".prop_map(String::into_bytes),
        ]
    ) {
        if let Some(trace) = TraceParent::parse(&text) {
            prop_assert_eq!(trace.to_string().into_bytes(), text);
            prop_assert!(trace.trace_id != 0 && trace.span_id != 0);
        }
    }
}

#[test]
fn derived_ids_do_not_collide() {
    let cause = |n: u128| EventId(Uuid::from_u128(n));
    let ids: HashSet<_> = (0..1000)
        .flat_map(|n| (0..100).map(move |ordinal| EventId::derived(cause(n), "g", ordinal, Timestamp(0))))
        .collect();
    assert_eq!(ids.len(), 100_000);
}

/// Frozen: records without an id of their own would be handled again after an upgrade.
#[test]
fn ids_of_places_are_frozen() {
    let time = Timestamp(1_381_152_600_000);
    let ids = [EventId::of_position(&position(3, 17), time), EventId::of_source("us-spy.zip", 5, time)];
    let frozen = ["0141931c-2fc0-7441-9b53-45df8ca4bffc", "0141931c-2fc0-7c32-8ab2-21f485fccabd"];
    assert_eq!(ids.map(|id| id.to_string()), frozen);
}

#[test]
fn a_malformed_trace_is_none() {
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert!(TraceParent::parse(good.as_bytes()).is_some());
    let bad = [
        String::new(),
        good.to_uppercase(),
        good.replacen("00", "01", 1),
        good.replacen("00", "ff", 1),
        format!("{good} "),
        format!("{good}-00"),
        good[..54].into(),
        good.replace('-', "_"),
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01".into(),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".into(),
    ];
    for text in bad {
        assert_eq!(TraceParent::parse(text.as_bytes()), None, "{text}");
    }
}
