//! Any event that can be written is read again, and no bytes panic.

use chrono::{DateTime, TimeDelta, Utc};
use pandaflow::{
    EventId, EventMeta, Payload,
    codec::{Decode, Encode, EnvelopeFormat},
};
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use crate::{DepthSeen, FROZEN, Level, decode, record};

fn id() -> impl Strategy<Value = EventId> {
    any::<u128>().prop_map(|bits| EventId(Uuid::from_u128(bits)))
}

/// Every instant of the years 1 to 9999, to the nanosecond.
fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    let seconds = -62_135_596_800..253_402_300_800_i64;
    (seconds, prop_oneof![Just(0), 0..1_000_000_000_i64]).prop_map(|(seconds, nanos)| {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(nanos)
    })
}

fn text() -> impl Strategy<Value = Box<str>> {
    any::<String>()
        .prop_filter("an envelope has no empty text", |text| !text.trim().is_empty())
        .prop_map(Into::into)
}

prop_compose! {
    fn meta()(
        id in id(), correlation_id in id(), causation_id in proptest::option::of(id()),
        broker in proptest::option::of(text()), key in text(), source in text(), version in 1..=2_u32, ts in instant(),
    ) -> EventMeta {
        EventMeta { id, correlation_id, causation_id, broker, key, source, version, ts, trace: None }
    }
}

prop_compose! {
    fn payload()(
        symbol: String, last in any::<f64>().prop_filter("JSON has no infinity", |last| last.is_finite()),
        volume: u64, note: Option<String>, at in instant(),
        depth in proptest::collection::btree_map(any::<String>(), proptest::collection::vec((any::<String>(), any::<u32>()), 0..3), 0..3),
    ) -> DepthSeen {
        let level = |(price, quantity)| Level { price, quantity };
        let depth = depth.into_iter().map(|(side, levels)| (side, levels.into_iter().map(level).collect())).collect();
        DepthSeen { symbol, last, volume, note, depth, at }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(meta in meta(), payload in payload()) {
        let written = EnvelopeFormat::encode(&meta, &payload).unwrap();
        let read = decode(&written).unwrap();
        prop_assert_eq!(&read.meta, &meta);
        prop_assert_eq!(&read.data, &payload);
        prop_assert_eq!(<EnvelopeFormat as Decode<DepthSeen>>::peek_id(&record(&written)), Some(meta.id));
        let json: Value = serde_json::from_slice(&written).unwrap();
        prop_assert_eq!(json["type"].as_str(), Some(DepthSeen::TYPE.as_str()));
    }

    #[test]
    fn no_bytes_panic(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            ("[ -~]{1,3}", 0..FROZEN.len()).prop_map(|(patch, at)| {
                [&FROZEN[..at], patch.as_bytes(), &FROZEN[(at + patch.len()).min(FROZEN.len())..]].concat()
            }),
            (0..FROZEN.len()).prop_map(|length| FROZEN[..length].to_vec()),
        ]
    ) {
        if let Err(error) = decode(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
        <EnvelopeFormat as Decode<DepthSeen>>::peek_id(&record(&bytes));
    }
}
