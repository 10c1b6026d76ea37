//! The envelope: what is written is read again, byte for byte and over versions; what doesn't fit is refused with the
//! path of the field.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decoding;
mod round_trip;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use pandaflow::{
    Event, EventEnvelope, Headers, Offset, Partition, Record, Timestamp, TopicName,
    codec::{Decode, DecodeError, Encode, EnvelopeFormat},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "depth_seen", version = 2, key = "{symbol}")]
struct DepthSeen {
    symbol: String,
    last: f64,
    volume: u64,
    note: Option<String>,
    depth: BTreeMap<String, Vec<Level>>,
    #[serde(with = "pandaflow::rfc3339")]
    at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Level {
    price: String,
    quantity: u32,
}

const FROZEN: &[u8] = include_bytes!("../frozen/envelope-v1.json");

fn record(value: &[u8]) -> Record {
    Record {
        topic: TopicName::new("paper.a"),
        partition: Partition(0),
        offset: Offset(0),
        timestamp: Timestamp(0),
        key: None,
        value: Some(value.to_vec().into()),
        headers: Headers::default(),
    }
}

fn decode(value: &[u8]) -> Result<Event<DepthSeen>, DecodeError> {
    EnvelopeFormat::decode(&record(value), value)
}

/// Frozen: what version 1 of the format wrote is read, and written again to the same bytes.
#[test]
fn version_1_is_read_and_written_to_the_same_bytes() {
    let event = decode(FROZEN).unwrap();
    assert_eq!(event.meta.id.to_string(), "0141931c-2fc0-7a94-b97c-b1bcacd72ad3");
    assert_eq!(event.meta.causation_id.unwrap().to_string(), "0141931c-2fc0-7000-8000-000000000002");
    assert_eq!((event.meta.broker.as_deref(), &*event.meta.source), (Some("paper"), "market-feed"));
    assert_eq!((&*event.meta.key, event.meta.version), ("NSE:YESBANK", 2));
    assert_eq!(event.meta.ts.timestamp_micros(), 1_381_152_600_123_456);
    assert_eq!((event.last, event.volume), (368.25, u64::MAX));
    assert_eq!(event.note.as_deref(), Some("\"quoted\", \\ and ₹"));
    assert_eq!(event.depth["buy"], [Level { price: "368.20".into(), quantity: 25 }]);
    let written = EnvelopeFormat::encode(&event.meta, &event.data).unwrap();
    assert_eq!(std::str::from_utf8(&written), std::str::from_utf8(FROZEN));
    assert_eq!(<EnvelopeFormat as Decode<DepthSeen>>::peek_id(&record(FROZEN)), Some(event.meta.id));
}

#[test]
fn an_envelope_can_be_read_without_a_record() {
    let envelope = EventEnvelope::<DepthSeen>::decode(FROZEN).unwrap();
    assert_eq!(envelope.encode().unwrap(), FROZEN);
}
