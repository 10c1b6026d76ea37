//! A topic that others fill with plain JSON.

use std::{collections::BTreeMap, convert::Infallible};

use bytes::Bytes;
use pandaflow::{Context, Event, Handle, StreamProcessor, TopicName, TopicSpec};
use pandaflow_actors::Program;
use pandaflow_tests::{Found, Running};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{ODD_HEADER, Scene, scene};

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

/// Key and value, without where and when.
fn bytes_of(record: &Found) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    (record.key.clone(), record.value.clone())
}

/// Python fills the topic first, with what is no price in the middle and a tombstone; then the console goes on.
fn fill(scene: &Scene) {
    let topic = format!("{}{FOREIGN}", scene.prefix);
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
}

#[actix::test]
async fn a_topic_that_others_fill_with_plain_json_is_processed() {
    let Some(scene) = scene().await else { return };
    scene.outside.make(FOREIGN, 3).await;
    fill(&scene);
    let running = Running::start(&scene.settings, watcher).unwrap();
    let ledger = scene.outside.settled("pandaflow.paper.watcher", 250).await;
    assert_eq!((ledger.succeeded, ledger.dead_lettered, ledger.filtered), (240, 8, 2));
    assert_eq!((ledger.consumed, ledger.duplicate), (250, 0));
    assert!(running.end());
    assert_each_key_in_order(&scene).await;
    assert_dead_letters_are_exact(&scene);
}

async fn assert_each_key_in_order(scene: &Scene) {
    let states = scene.outside.transport().states().scan("pandaflow.paper.watcher".into()).await.unwrap();
    let seen: BTreeMap<Bytes, Seen> = states
        .iter()
        .map(|(key, state)| (key.clone(), pandaflow_actors::decode_state(key, 1, state).unwrap()))
        .collect();
    let expected = Seen { count: 60, out_of_order: 0, last: 60 };
    assert_eq!(seen, BTreeMap::from(ITEMS.map(|item| (Bytes::from(item), expected.clone()))));

    // What comes out is plain JSON under the same keys.
    let told = scene.read("paper.prices.told", 240);
    for item in ITEMS {
        let of_item = told.iter().filter(|record| record.key.as_deref() == Some(item.as_bytes()));
        let values: Vec<_> = of_item.map(Found::json).collect();
        let expected: Vec<_> = (1..=60).map(|number| json!({ "item": item, "number": number })).collect();
        assert_eq!(values, expected);
    }
}

fn assert_dead_letters_are_exact(scene: &Scene) {
    let letters = scene.read(&format!("{FOREIGN}.dlq"), 8);
    let mut found: Vec<_> = letters.iter().map(bytes_of).collect();
    let mut expected: Vec<_> = no_prices().iter().map(bytes_of).collect();
    expected.push((Some(b"gold".to_vec()), Some(b"{console".to_vec())));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(letters.iter().filter(|letter| letter.header("odd") == Some(ODD_HEADER)).count(), 7);
    let original = |letter: &Found| letter.header("kafka_dlt-original-topic") == Some(FOREIGN.as_bytes());
    assert!(letters.iter().all(original));
}
