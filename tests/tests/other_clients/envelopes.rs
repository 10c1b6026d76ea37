//! Others read envelopes, headers and dead letters.

use std::{collections::BTreeMap, convert::Infallible};

use bytes::Bytes;
use pandaflow::{
    Context, Event, EventId, Handle, Header, Headers, Outgoing, StreamProcessor, Timestamp, TopicName,
    TopicSpec,
};
use pandaflow_actors::Program;
use pandaflow_tests::{Found, Running};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{ODD_HEADER, scene};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "order_asked", version = 2, key = "{account}")]
struct Asked {
    account: String,
    price: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "order_taken", version = 3, key = "{account}")]
struct Taken {
    account: String,
    price: String,
}

#[derive(StreamProcessor)]
#[processor(
    name = "taker",
    input(topic = "orders.asked", event = Asked),
    output(topic = "orders.taken", event = Taken)
)]
struct Taker;

impl Handle<Asked> for Taker {
    type Error = Infallible;

    async fn handle(&mut self, asked: Event<Asked>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        ctx.emit(Taken { account: asked.account.clone(), price: asked.price.clone() });
        Ok(())
    }
}

fn taker() -> Program {
    ["orders.asked", "orders.taken"]
        .into_iter()
        .fold(Program::new(), |program, topic| program.topic(TopicSpec::new(topic).partitions(3)))
        .namespace("paper".parse().unwrap())
        .processor(|| Taker)
}

/// Bytes that are no text, which a client that cares for text would change.
const ODD_KEY: &[u8] = b"\xff\x00odd \xc3\x28";
const ODD_VALUE: &[u8] = b"\x00\xfe{ no JSON \r\n\t\xff";

fn asked(number: u64) -> Outgoing {
    let ts = Timestamp(1_700_000_000_000);
    let asked = Asked { account: format!("acc-{}", number % 5), price: format!("{number}.50") };
    let id = EventId::of_source("shop", number, ts);
    let mut record = Outgoing::root(TopicName::new("paper.orders.asked"), id, ts, "shop", &asked).unwrap();
    record.headers = Headers::from_iter([("traceparent", TRACE)]);
    record
}

fn malformed() -> Outgoing {
    let header =
        |name: &'static str, value| Header { name: name.into(), value: Some(Bytes::from_static(value)) };
    Outgoing {
        topic: TopicName::new("paper.orders.asked"),
        timestamp: Timestamp(1_700_000_000_000),
        key: Some(Bytes::from_static(ODD_KEY)),
        value: Some(Bytes::from_static(ODD_VALUE)),
        headers: Headers::new(vec![header("origin", b"somewhere"), header("odd", ODD_HEADER)]),
    }
}

#[actix::test]
async fn others_read_envelopes_headers_and_dead_letters_that_we_write() {
    let Some(scene) = scene().await else { return };
    let running = Running::start(&scene.settings, taker).unwrap();
    let mut records: Vec<_> = (0..20).map(asked).collect();
    records.push(malformed());
    scene.outside.publish(records).await;
    let ledger = scene.outside.settled("pandaflow.paper.taker", 21).await;
    assert_eq!((ledger.succeeded, ledger.dead_lettered), (20, 1));
    assert!(running.end());

    let causes: BTreeMap<String, Value> = scene
        .read("paper.orders.asked", 21)
        .into_iter()
        .filter(|record| record.key.as_deref() != Some(ODD_KEY))
        .map(|record| (record.json()["id"].as_str().unwrap().to_owned(), record.json()))
        .collect();
    let taken = scene.read("paper.orders.taken", 20);
    for record in &taken {
        assert_is_an_envelope(record, &causes);
    }
    let letters = scene.read("paper.orders.asked.dlq", 1);
    assert_is_the_dead_letter(&letters[0]);
}

/// An envelope by the format's own description, caused by one of those that were published.
fn assert_is_an_envelope(record: &Found, causes: &BTreeMap<String, Value>) {
    let envelope = record.json();
    let fields: Vec<_> = envelope.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected =
        ["id", "correlation_id", "causation_id", "type", "broker", "key", "source", "version", "ts", "data"];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    let cause = &causes[envelope["causation_id"].as_str().unwrap()];
    assert_eq!(envelope["correlation_id"], cause["correlation_id"]);
    let id = uuid::Uuid::parse_str(envelope["id"].as_str().unwrap()).unwrap();
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(envelope["type"], "order_taken");
    assert_eq!((&envelope["source"], &envelope["version"]), (&json!("taker"), &json!(3)));
    assert_eq!(envelope["ts"], "2023-11-14T22:13:20Z");
    assert_eq!(
        envelope["data"],
        json!({ "account": cause["data"]["account"], "price": cause["data"]["price"] })
    );
    assert_eq!(record.key.as_deref(), envelope["key"].as_str().map(str::as_bytes));
    assert_eq!(envelope["key"], cause["key"]);
    // The trace goes on, under a span of its own.
    let trace = std::str::from_utf8(record.header("traceparent").unwrap()).unwrap();
    assert_eq!(trace[..36], TRACE[..36]);
    assert_eq!(record.header("trace_id"), Some(&b"0af7651916cd43dd8448eb211c80319c"[..]));
}

fn assert_is_the_dead_letter(letter: &Found) {
    assert_eq!(letter.key.as_deref(), Some(ODD_KEY));
    assert_eq!(letter.value.as_deref(), Some(ODD_VALUE));
    assert_eq!(letter.header("origin"), Some(&b"somewhere"[..]));
    assert_eq!(letter.header("odd"), Some(ODD_HEADER));
    let text = |name: &str| String::from_utf8(letter.header(name).unwrap_or_default().to_vec()).unwrap();
    assert_eq!(text("kafka_dlt-original-topic"), "paper.orders.asked");
    assert_eq!(text("kafka_dlt-original-consumer-group"), "pandaflow.paper.taker");
    assert_eq!(text("kafka_dlt-original-timestamp-type"), "CreateTime");
    assert!(!text("kafka_dlt-exception-fqcn").is_empty());
    assert!(!text("kafka_dlt-exception-message").is_empty());
    // Numbers are big-endian, as Java writes them.
    let partition = letter.header("kafka_dlt-original-partition").unwrap();
    assert!(i32::from_be_bytes(partition.try_into().unwrap()) < 3);
    let offset = letter.header("kafka_dlt-original-offset").unwrap();
    assert!((0..21).contains(&i64::from_be_bytes(offset.try_into().unwrap())));
    let time = letter.header("kafka_dlt-original-timestamp").unwrap();
    assert!(i64::from_be_bytes(time.try_into().unwrap()) > 0);
    let own: Value = serde_json::from_slice(letter.header("pandaflow-dead-letter").unwrap()).unwrap();
    assert_eq!((&own["processor"], &own["namespace"]), (&json!("taker"), &json!("paper")));
}
