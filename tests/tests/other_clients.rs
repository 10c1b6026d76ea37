//! Clients that are not ours (Kafka's command line, aiokafka in Python) read what we write, and write what we read.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{collections::BTreeMap, convert::Infallible};

use bytes::Bytes;
use pandaflow::{
    Context, Event, EventId, Handle, Header, Headers, Outgoing, StreamProcessor, Timestamp, TopicName,
    TopicSpec, settings::Settings,
};
use pandaflow_actors::Program;
use pandaflow_tests::{Console, Found, Outside, Python, Running, given};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Broker, settings and clients.
struct Scene {
    servers: String,
    prefix: String,
    settings: Settings,
    outside: Outside,
    console: Console,
    python: Python,
}

async fn scene() -> Option<Scene> {
    let (servers, redis) = (given("PANDAFLOW_TEST_KAFKA")?, given("PANDAFLOW_TEST_REDIS")?);
    let (console, python) = (Console::where_given()?, Python::where_given()?);
    let prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
    let variables = [
        ("KAFKA__BOOTSTRAP_SERVERS", servers.as_str()),
        ("KAFKA__PREFIX", &prefix),
        ("REDIS__URL", &redis),
        ("API__BIND", "127.0.0.1:0"),
    ];
    let settings = Settings::load(variables, "").unwrap();
    let outside = Outside::reach(&settings).await;
    Some(Scene { servers, prefix, settings, outside, console, python })
}

impl Scene {
    /// What both clients read of a topic; they must agree.
    fn read(&self, topic: &str, records: usize) -> Vec<Found> {
        let topic = format!("{}{topic}", self.prefix);
        let python = self.python.read(&self.servers, &topic);
        assert_eq!(python.len(), records, "{topic}");
        assert_eq!(self.console.read(&self.servers, &topic, records), python);
        python
    }
}

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
const ODD_HEADER: &[u8] = b"\x80\x00\xff";

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

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "price_seen", version = 1, key = "{item}")]
struct Price {
    item: String,
    number: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    count: u64,
    out_of_order: u64,
    last: u64,
}

#[derive(StreamProcessor)]
#[processor(
    name = "watcher",
    input(topic = "prices.seen", event = Price, format = "json"),
    output(topic = "prices.told", event = Price, format = "json"),
    state = Seen,
    dedup(ttl = "1h"),
)]
struct Watcher;

impl Handle<Price> for Watcher {
    type Error = Infallible;

    async fn handle(&mut self, price: Event<Price>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        let seen = ctx.state_mut();
        seen.count += 1;
        seen.out_of_order += u64::from(price.number != seen.last + 1);
        seen.last = price.number;
        ctx.emit(price.data);
        Ok(())
    }
}

/// A topic of another system, whose name is not ours.
const FOREIGN: &str = "acme-prices_v1";
const ITEMS: [&str; 4] = ["gold", "tea", "\u{926}\u{93e}\u{932}", "tin"];

fn watcher() -> Program {
    Program::new()
        .topic(TopicSpec::new("prices.seen").partitions(3))
        .topic(TopicSpec::new("prices.told").partitions(3))
        .topic_called("prices.seen", TopicName::new(FOREIGN))
        .namespace("paper".parse().unwrap())
        .processor(|| Watcher)
}

fn price(item: &str, number: u64) -> Found {
    let value = json!({ "number": number, "item": item, "unknown": [1, { "nested": null }] }).to_string();
    Found {
        key: Some(item.as_bytes().to_vec()),
        value: Some(value.into_bytes()),
        headers: vec![("sent-by".into(), b"acme".to_vec())],
        ..Found::default()
    }
}

/// What is no price, under the keys of prices.
fn no_prices() -> Vec<Found> {
    let values: [&[u8]; 7] = [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[1, 2]",
        br#"{"item": "gold"}"#,
        br#"{"item": "gold", "number": "one"}"#,
        br#"{"item": "gold", "number": 1} trailing"#,
    ];
    let record = |(place, value): (usize, &&[u8])| Found {
        key: Some(ITEMS[place % ITEMS.len()].as_bytes().to_vec()),
        value: Some(value.to_vec()),
        headers: vec![("odd".into(), ODD_HEADER.to_vec())],
        ..Found::default()
    };
    values.iter().enumerate().map(record).collect()
}

/// Key, value and headers, without where and when.
fn bytes_of(record: &Found) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (record.key.clone(), record.value.clone())
}

#[actix::test]
async fn a_topic_that_others_fill_with_plain_json_is_processed() {
    let Some(scene) = scene().await else { return };
    scene.outside.make(FOREIGN, 3).await;
    let topic = format!("{}{FOREIGN}", scene.prefix);
    // Python first, with what is no price in the middle, and tombstones; then the console goes on.
    let mut records: Vec<_> =
        (1..=50).flat_map(|number| ITEMS.iter().map(move |item| price(item, number))).collect();
    for (place, record) in no_prices().into_iter().enumerate() {
        records.insert(20 * (place + 1), record);
    }
    records.insert(77, Found { value: None, ..price("tea", 0) });
    scene.python.write(&scene.servers, &topic, &records);
    let value = |item: &str, number| String::from_utf8(price(item, number).value.unwrap_or_default()).ok();
    let mut lines: Vec<_> =
        (51..=60).flat_map(|number| ITEMS.iter().map(move |item| (*item, value(item, number)))).collect();
    lines.insert(5, ("gold", Some("{console".into())));
    lines.insert(9, ("tin", None));
    scene.console.write(&scene.servers, &topic, &lines);

    let running = Running::start(&scene.settings, watcher).unwrap();
    let ledger = scene.outside.settled("pandaflow.paper.watcher", 250).await;
    assert_eq!((ledger.succeeded, ledger.dead_lettered, ledger.filtered), (240, 8, 2));
    assert_eq!((ledger.consumed, ledger.duplicate), (250, 0));
    assert!(running.end());

    // Each key's in order, once.
    let states = scene.outside.transport().states().scan("pandaflow.paper.watcher".into()).await.unwrap();
    let seen: BTreeMap<Bytes, Seen> = states
        .iter()
        .map(|(key, state)| (key.clone(), pandaflow_actors::decode_state(key, 1, state).unwrap()))
        .collect();
    let expected = Seen { count: 60, out_of_order: 0, last: 60 };
    let all = ITEMS.map(|item| (Bytes::from(item), expected.clone()));
    assert_eq!(seen, BTreeMap::from(all));

    // What comes out is plain JSON under the same keys, in order.
    let told = scene.read("paper.prices.told", 240);
    for item in ITEMS {
        let of_item = told.iter().filter(|record| record.key.as_deref() == Some(item.as_bytes()));
        let values: Vec<_> = of_item.map(Found::json).collect();
        let expected: Vec<_> = (1..=60).map(|number| json!({ "item": item, "number": number })).collect();
        assert_eq!(values, expected);
    }

    // What was no price is a dead letter with its exact bytes.
    let letters = scene.read(&format!("{FOREIGN}.dlq"), 8);
    let mut found: Vec<_> = letters.iter().map(bytes_of).collect();
    let mut expected: Vec<_> = no_prices().iter().map(bytes_of).collect();
    expected.push((Some(b"gold".to_vec()), Some(b"{console".to_vec())));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let with_header = letters.iter().filter(|letter| letter.header("odd") == Some(ODD_HEADER));
    assert_eq!(with_header.count(), 7);
    assert!(
        letters.iter().all(|letter| letter.header("kafka_dlt-original-topic") == Some(FOREIGN.as_bytes()))
    );
}
