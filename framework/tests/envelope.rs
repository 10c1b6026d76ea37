//! The envelope: what is written is read again, byte for byte and over versions; what doesn't fit is refused with the
//! path of the field.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use pandaflow::{
    Event, EventEnvelope, EventId, EventMeta, Headers, Offset, Partition, Payload, Record, Timestamp,
    TopicName,
    codec::{Decode, DecodeError, Encode, EnvelopeFormat},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

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

const FROZEN: &[u8] = include_bytes!("frozen/envelope-v1.json");

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

fn frozen() -> Value {
    serde_json::from_slice(FROZEN).unwrap()
}

/// The frozen envelope with the field at `path` set to `value`.
fn with(path: &str, value: Value) -> Vec<u8> {
    let mut json = frozen();
    *json.pointer_mut(path).unwrap() = value;
    json.to_string().into_bytes()
}

/// The frozen envelope without a field.
fn without(path: &str) -> Vec<u8> {
    let mut json = frozen();
    let (parent, field) = path.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    json.to_string().into_bytes()
}

#[test]
fn a_field_that_does_not_fit_is_named_by_its_path() {
    let naive = "2013-10-07T13:30:00";
    let cases = [
        (with("/id", json!("not a uuid")), "id", "UUID"),
        (with("/id", json!("")), "id", "UUID"),
        (with("/id", Value::Null), "id", "UUID"),
        (with("/id", json!(7)), "id", "UUID"),
        (with("/correlation_id", json!("x")), "correlation_id", "UUID"),
        (with("/causation_id", json!("x")), "causation_id", "UUID"),
        (with("/type", json!(1)), "type", "expected a string"),
        (with("/broker", json!("")), "broker", "null or a text that is not empty"),
        (with("/key", json!("")), "key", "a text that is not empty"),
        (with("/key", json!(" \t")), "key", "a text that is not empty"),
        (with("/key", Value::Null), "key", "expected a string"),
        (with("/source", json!("")), "source", "a text that is not empty"),
        (with("/version", json!(-1)), "version", "expected u32"),
        (with("/version", json!("1")), "version", "expected u32"),
        (with("/version", json!(1.5)), "version", "expected u32"),
        (with("/version", json!(4_294_967_296_u64)), "version", "expected u32"),
        (with("/ts", json!(naive)), "ts", "with its offset"),
        (with("/ts", json!("2013-10-07 13:30:00Z")), "ts", "with its offset"),
        (with("/ts", json!("2013-02-30T13:30:00Z")), "ts", "with its offset"),
        (with("/ts", json!("")), "ts", "with its offset"),
        (with("/ts", json!(1_381_152_600_000_u64)), "ts", "expected a string"),
        (with("/data", Value::Null), "data", "expected struct DepthSeen"),
        (with("/data", json!([])), "data", "expected struct DepthSeen"),
        (with("/data/last", json!("1.5")), "data.last", "expected f64"),
        (with("/data/last", Value::Null), "data.last", "expected f64"),
        (with("/data/volume", json!(-1)), "data.volume", "expected u64"),
        (with("/data/note", json!(1)), "data.note", "expected a string"),
        (with("/data/at", json!(naive)), "data.at", "with its offset"),
        (with("/data/depth/buy/0/price", json!(368.2)), "data.depth.buy[0].price", "expected a string"),
        (with("/data/depth/buy/0", json!("x")), "data.depth.buy[0]", "expected struct Level"),
        (with("/data/depth/sell", json!({})), "data.depth.sell", "expected a sequence"),
        (without("/id"), ".", "missing field `id`"),
        (without("/correlation_id"), ".", "missing field `correlation_id`"),
        (without("/type"), ".", "missing field `type`"),
        (without("/key"), ".", "missing field `key`"),
        (without("/source"), ".", "missing field `source`"),
        (without("/version"), ".", "missing field `version`"),
        (without("/ts"), ".", "missing field `ts`"),
        (without("/data"), ".", "missing field `data`"),
        (without("/data/symbol"), "data", "missing field `symbol`"),
        (without("/data/depth/buy/0/price"), "data.depth.buy[0]", "missing field `price`"),
    ];
    for (json, field, what) in cases {
        match decode(&json) {
            Err(DecodeError::Json { path, message }) => {
                let text = String::from_utf8_lossy(&json);
                assert_eq!(path, field, "{message}: {text}");
                assert!(message.contains(what), "{message} should tell of {what:?}: {text}");
            }
            other => panic!("{other:?} for {field}: {}", String::from_utf8_lossy(&json)),
        }
    }
}

#[test]
fn bytes_that_are_no_envelope_are_refused() {
    let text = std::str::from_utf8(FROZEN).unwrap();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("white space", b"  \n".to_vec()),
        ("not JSON", b"ticks!".to_vec()),
        (
            "not UTF-8",
            text.replace("market-feed", "market-feed\u{0}")
                .into_bytes()
                .into_iter()
                .map(|b| if b == 0 { 0xff } else { b })
                .collect(),
        ),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("with a byte order mark", format!("\u{feff}{text}").into_bytes()),
        ("cut off", FROZEN[..FROZEN.len() - 1].to_vec()),
        ("trailing bytes", format!("{text}x").into_bytes()),
        ("trailing NUL", format!("{text}\0").into_bytes()),
        ("two of them", format!("{text}{text}").into_bytes()),
        ("an array", format!("[{text}]").into_bytes()),
        ("a string", json!(text).to_string().into_bytes()),
        ("null", b"null".to_vec()),
        ("a number", b"1".to_vec()),
        ("a field twice", text.replacen('{', r#"{"version":1,"#, 1).into_bytes()),
        ("NaN", text.replace("368.25", "NaN").into_bytes()),
        ("infinity", text.replace("368.25", "1e999").into_bytes()),
        ("a lone surrogate", text.replace("market-feed", r"\ud800").into_bytes()),
        ("a raw control character", text.replace("market-feed", "a\nb").into_bytes()),
        ("a comment", format!("/* */{text}").into_bytes()),
        ("deeply nested", format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000)).into_bytes()),
        (
            "a deeply nested field",
            text.replace("368.25", &format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000))).into_bytes(),
        ),
        ("an open nest", "{\"data\":".repeat(100_000).into_bytes()),
    ];
    for (what, bytes) in cases {
        let error = decode(&bytes).expect_err(what);
        assert!(matches!(error, DecodeError::Json { .. }), "{what}: {error:?}");
        assert!(error.to_string().len() < 1024, "{what}");
    }
}

#[test]
fn types_and_versions_that_are_not_known_are_named() {
    let version = |found| DecodeError::Version { found, known: 2 };
    assert_eq!(decode(&with("/version", json!(0))).unwrap_err(), version(0));
    assert_eq!(decode(&with("/version", json!(3))).unwrap_err(), version(3));
    assert_eq!(decode(&with("/version", json!(u32::MAX))).unwrap_err(), version(u32::MAX));
    assert_eq!(decode(&with("/version", json!(1))).unwrap().meta.version, 1);

    let wrong = |found: &str| DecodeError::WrongType { found: found.into(), expected: "depth_seen" };
    assert_eq!(decode(&with("/type", json!("order_filled"))).unwrap_err(), wrong("order_filled"));
    // The type explains more than a payload that doesn't fit.
    let mut other = frozen();
    (other["type"], other["data"]) = (json!("order_filled"), json!({}));
    assert_eq!(decode(other.to_string().as_bytes()).unwrap_err(), wrong("order_filled"));
    let long = "x".repeat(1_000_000);
    assert_eq!(decode(&with("/type", json!(long))).unwrap_err(), wrong(&long[..64]));
}

#[test]
fn what_a_later_version_may_add_and_order_do_not_matter() {
    let nest = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let text = std::str::from_utf8(FROZEN).unwrap();
    for more in [r#"{"schema":"x","#, r#"{"tags":{"a":[1,2,null]},"#, &format!("{{\"deep\":{nest},")] {
        assert_eq!(
            decode(text.replacen('{', more, 1).as_bytes()).unwrap().data,
            decode(FROZEN).unwrap().data
        );
    }
    let sorted = frozen().to_string();
    assert_ne!(sorted.as_bytes(), FROZEN);
    assert_eq!(decode(sorted.as_bytes()).unwrap().meta, decode(FROZEN).unwrap().meta);
    assert_eq!(decode(&without("/broker")).unwrap().meta.broker, None);
    assert_eq!(decode(&without("/causation_id")).unwrap().meta.causation_id, None);
    let offset = with("/ts", json!("2013-10-07T19:00:00.123456+05:30"));
    assert_eq!(decode(&offset).unwrap().meta.ts, decode(FROZEN).unwrap().meta.ts);
}

#[test]
fn an_error_about_huge_fields_is_short() {
    let huge = "k".repeat(2_000_000);
    for bytes in [
        with("/data/depth", json!({ &huge: 1 })),
        with("/ts", json!(huge)),
        with("/data/last", json!(huge)),
        with("/id", json!(huge)),
    ] {
        let error = decode(&bytes).unwrap_err();
        assert!(error.to_string().len() < 1024, "{} characters", error.to_string().len());
    }
    assert_eq!(decode(&with("/key", json!(huge))).unwrap().meta.key.len(), 2_000_000);
}

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
        // serde_json reads a float to the nearest but one; the bytes are what must come out the same.
        prop_assert!((read.data.last - payload.last).abs() <= payload.last.abs() * f64::EPSILON);
        let payload = DepthSeen { last: read.data.last, ..payload };
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

#[test]
fn an_envelope_can_be_read_without_a_record() {
    let envelope = EventEnvelope::<DepthSeen>::decode(FROZEN).unwrap();
    assert_eq!(envelope.encode().unwrap(), FROZEN);
}
