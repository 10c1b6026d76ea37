//! Malformed input: a thousand records of many kinds are dead letters with their exact bytes, and nothing stops.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pandaflow::{
    Context, ErrorClass, Event, FailureKind, Handle, Headers, Outgoing, Record, StreamProcessor,
    policy::dead_letter_budget::DeadLetterLimits,
};
use pandaflow_actors::{Program, RuntimeConfig, testkit::TestKit};
use serde::{Deserialize, Serialize};

use crate::support::*;

/// A payload with fields of many types.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "reading", version = 2, key = "{sensor}")]
struct Reading {
    sensor: String,
    count: u32,
    value: f64,
    #[serde(with = "pandaflow::rfc3339")]
    at: DateTime<Utc>,
    #[serde(default)]
    notes: Option<serde_json::Value>,
}

#[derive(StreamProcessor)]
#[processor(
    name = "reader",
    input(topic = "readings", event = Reading),
    output(topic = "done", event = Done),
    dedup(ttl = "24h"),
)]
struct Reader;

impl Handle<Reading> for Reader {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, reading: Event<Reading>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        ctx.emit(Done { key: reading.sensor.clone(), no: reading.count.into(), before: 0 });
        Ok(())
    }
}

const GOOD: &str = r#"{"id":"01941f29-7c00-7000-8000-NNNNNNNNNNNN","correlation_id":"01941f29-7c00-7000-8000-000000000001","causation_id":null,"type":"reading","broker":null,"key":"s","source":"test","version":1,"ts":"2025-01-01T00:00:00Z","data":{"sensor":"s","count":1,"value":0.5,"at":"2025-01-01T00:00:00Z"}}"#;

fn good(no: u64) -> String {
    GOOD.replace("NNNNNNNNNNNN", &format!("{no:012}"))
}

/// A kind of malformed record, and how one is made of a good envelope.
type Kind = (&'static str, fn(String, u64) -> Vec<u8>);

const KINDS: &[Kind] = &[
    ("empty payload", |_, _| Vec::new()),
    ("blank payload", |_, no| vec![b' '; no as usize % 9 + 1]),
    ("not UTF-8", |good, no| {
        let mut bytes = good.into_bytes();
        let place = bytes.len() - 10 - no as usize % 40;
        bytes[place] = 0xff;
        bytes
    }),
    ("random bytes", |_, no| {
        (0..no % 300 + 1).map(|i| (i.wrapping_mul(no * 31 + 7) >> 3) as u8 | 0x80).collect()
    }),
    ("cut off", |good, no| good.as_bytes()[..good.len() - 1 - no as usize % 200].to_vec()),
    ("not an object", |_, no| ["[]", "7", "\"text\"", "true", "null", "[1,2]"][no as usize % 6].into()),
    ("missing field", |good, no| {
        let fields = [
            "\"correlation_id\"",
            "\"source\"",
            "\"version\"",
            "\"ts\"",
            "\"data\"",
            "\"sensor\"",
            "\"count\"",
        ];
        good.replace(fields[no as usize % 7], "\"other\"").into()
    }),
    ("wrong type of a field", |good, _| good.replace("\"count\":1", "\"count\":\"1\"").into()),
    ("a number for a text", |good, no| good.replace("\"sensor\":\"s\"", &format!("\"sensor\":{no}")).into()),
    ("null payload", |good, _| cut(&good, "{\"sensor\"", "null}").into()),
    ("NaN", |good, _| good.replace("0.5", "NaN").into()),
    ("Infinity", |good, no| good.replace("0.5", ["Infinity", "-Infinity", "inf"][no as usize % 3]).into()),
    ("a number out of range", |good, _| good.replace("\"count\":1", "\"count\":4294967296").into()),
    ("a negative count", |good, _| good.replace("\"count\":1", "\"count\":-1").into()),
    ("a float out of range", |good, _| good.replace("0.5", "1e999").into()),
    ("a negative version", |good, _| good.replace("\"version\":1", "\"version\":-1").into()),
    ("version 0", |good, _| good.replace("\"version\":1", "\"version\":0").into()),
    ("a version from the future", |good, no| {
        good.replace("\"version\":1", &format!("\"version\":{}", 3 + no)).into()
    }),
    ("a version in a text", |good, _| good.replace("\"version\":1", "\"version\":\"1\"").into()),
    ("a fraction of a version", |good, _| good.replace("\"version\":1", "\"version\":1.5").into()),
    ("an empty text", |good, no| {
        good.replace(
            ["\"key\":\"s\"", "\"source\":\"test\""][no as usize % 2],
            ["\"key\":\"\"", "\"source\":\" \""][no as usize % 2],
        )
        .into()
    }),
    ("a naive time", |good, _| good.replacen("00:00:00Z", "00:00:00", 1).into()),
    ("a time with a blank", |good, _| good.replacen("01T00", "01 00", 1).into()),
    ("an impossible day", |good, no| {
        good.replacen("2025-01-01T", ["2025-02-30T", "2025-13-01T", "2025-00-10T"][no as usize % 3], 1).into()
    }),
    ("a naive time in the payload", |good, _| {
        good.replace("\"at\":\"2025-01-01T00:00:00Z\"", "\"at\":\"2025-01-01T00:00:00\"").into()
    }),
    ("a bad UUID", |good, no| good.replacen("01941f29", ["xyz", "", "01941f2g"][no as usize % 3], 1).into()),
    ("an unknown event type", |good, no| good.replace("\"reading\"", &format!("\"reading{no}\"")).into()),
    ("a huge event type", |good, _| {
        good.replace("\"reading\"", &format!("\"{}\"", "r".repeat(100_000))).into()
    }),
    ("trailing bytes", |good, _| format!("{good}x").into()),
    ("two envelopes", |good, _| format!("{good}{good}").into()),
    ("a BOM", |good, _| format!("\u{feff}{good}").into()),
    ("a field twice", |good, _| good.replace("\"key\":\"s\"", "\"key\":\"s\",\"key\":\"s\"").into()),
    ("a payload field twice", |good, _| good.replace("\"count\":1", "\"count\":1,\"count\":1").into()),
    ("a lone surrogate", |good, no| {
        good.replace(
            "\"sensor\":\"s\"",
            ["\"sensor\":\"\\ud800\"", "\"sensor\":\"\\udc00x\""][no as usize % 2],
        )
        .into()
    }),
    ("a bare control character", |good, _| good.replace("\"sensor\":\"s\"", "\"sensor\":\"\u{1}\"").into()),
    ("single quotes", |good, _| good.replace('"', "'").into()),
    ("deeply nested", |good, no| {
        let depth = 200 + (no as usize % 2) * 99_800;
        good.replace("\"at\":", &format!("\"notes\":{}{},\"at\":", "[".repeat(depth), "]".repeat(depth)))
            .into()
    }),
    ("deeply nested and nothing else", |_, _| "{\"a\":".repeat(100_000).into()),
];

fn cut(good: &str, from: &str, end: &str) -> String {
    format!("{}{end}", &good[..good.find(from).unwrap()])
}

fn headers(no: u64) -> Headers {
    let values: [(&[u8], &[u8]); 3] = [
        (b"traceparent", b"not a trace"),
        (b"\xff\xfe", b"\x00\x01"),
        (b"attempts", b"-99999999999999999999"),
    ];
    Headers::from_iter(
        values
            .into_iter()
            .take(no as usize % 4)
            .map(|(name, value)| (Bytes::from_static(name), Bytes::from_static(value))),
    )
}

fn publish(kit: &TestKit, key: Option<Bytes>, value: Option<Bytes>, headers: Headers) {
    let outgoing = Outgoing { topic: kit.topic("readings"), timestamp: kit.now(), key, value, headers };
    kit.transport().publish(vec![outgoing]).unwrap();
}

fn key(no: u64) -> Option<Bytes> {
    match no % 4 {
        0 => None,
        1 => Some(Bytes::new()),
        2 => Some(Bytes::from(vec![0xff, no as u8])),
        _ => Some(Bytes::from(format!("k{no}"))),
    }
}

#[actix::test]
async fn a_thousand_malformed_records_of_many_kinds_are_dead_letters_with_their_exact_bytes() {
    assert!(KINDS.len() >= 20);
    let config = RuntimeConfig { dead_letters: DeadLetterLimits::NONE, ..RuntimeConfig::default() };
    let program = Program::new().processor(|| Reader);
    let kit = TestKit::start_with(program, config, |services| services).await;
    let mut malformed = 0;
    let mut tombstones = 0;
    let mut fine = 0;
    for no in 0..1_100 {
        let (_, make) = KINDS[no as usize % KINDS.len()];
        publish(&kit, key(no), Some(make(good(no), no).into()), headers(no));
        malformed += 1;
        if no % 10 == 0 {
            publish(&kit, key(no + 3), None, headers(no));
            tombstones += 1;
        }
        if no % 3 == 0 {
            publish(&kit, key(no), Some(good(1_000_000 + no).into()), headers(no));
            fine += 1;
        }
    }
    // Huge ones: text that goes on for megabytes, and a huge array where there should be a number.
    for no in 0..3 {
        let huge =
            good(2_000_000 + no).replace("\"count\":1", &format!("\"count\":\"{}\"", "9".repeat(4 << 20)));
        publish(&kit, key(no), Some(huge.into()), headers(no));
        let array = format!("\"count\":[{}1]", "1,".repeat(1 << 20));
        publish(&kit, key(no), Some(good(3_000_000 + no).replace("\"count\":1", &array).into()), headers(no));
        malformed += 2;
    }
    kit.run_until_idle().await;
    let ledger = kit.ledger::<Reader>();
    assert_eq!((ledger.dead_lettered, ledger.filtered, ledger.succeeded), (malformed, tombstones, fine));
    assert!(ledger.is_settled() && ledger.duplicate == 0, "{ledger:?}");
    assert_eq!(kit.events::<Done>("done").len() as u64, fine);
    let sent: Vec<Record> = kit.records("readings");
    let letters = kit.dead_letters();
    assert_eq!(letters.len() as u64, malformed);
    for letter in &letters {
        let record = sent.iter().find(|record| record.position() == letter.record.position()).unwrap();
        assert_eq!(*record, letter.record, "key, value and headers to the byte");
        assert_eq!((letter.kind, letter.class), (FailureKind::Undecodable, ErrorClass::Poison));
        assert_eq!((letter.attempts, letter.replay.allowed), (1, false));
        assert!(letter.message.len() < 2_000, "an error is short, whatever it is about");
    }
}

#[test]
fn every_kind_of_malformed_record_is_one_dead_letter() {
    for (kind, make) in KINDS {
        for no in [0, 1, 2, 5] {
            on_its_own_clock(async {
                let kit = TestKit::start(Program::new().processor(|| Reader)).await;
                publish(&kit, key(no), Some(make(good(no), no).into()), headers(no));
                kit.run_until_idle().await;
                assert_eq!(kit.ledger::<Reader>().dead_lettered, 1, "{kind} {no}");
            });
        }
    }
}

#[derive(StreamProcessor)]
#[processor(name = "plain-json", input(topic = "readings", event = Reading, format = "json"))]
struct PlainJson;

impl Handle<Reading> for PlainJson {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, _: Event<Reading>, _: &mut Context<Self>) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[actix::test]
async fn bare_json_is_read_as_strictly_and_any_depth_is_refused_without_a_stack_overflow() {
    let kit = TestKit::start(Program::new().processor(|| PlainJson)).await;
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let good = r#"{"sensor":"s","count":1,"value":0.5,"at":"2025-01-01T00:00:00Z","notes":null}"#;
    let bad = [nested.clone(), good.replace("null", &nested), good.replace("0.5", "NaN"), format!("{good},")];
    for value in bad.into_iter().chain([good.to_owned()]) {
        publish(&kit, None, Some(value.into()), Headers::default());
    }
    kit.run_until_idle().await;
    assert_eq!((kit.ledger::<PlainJson>().dead_lettered, kit.ledger::<PlainJson>().succeeded), (4, 1));
}
