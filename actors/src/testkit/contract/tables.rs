//! A table holds the latest record per key of its topic.

use std::sync::Arc;

use pandaflow::{Outgoing, TopicName, ports::TableView};

use super::stage::{Stage, keyed, within};

async fn open(stage: &Stage, topic: &TopicName) -> Arc<dyn TableView> {
    within(stage.transport().tables().open(topic.clone())).await.expect("the topic can be followed")
}

fn value(table: &dyn TableView, key: &str) -> Option<String> {
    let record = table.latest(key.as_bytes())?;
    Some(String::from_utf8_lossy(&record.value?).into_owned())
}

/// What the topic holds when it is opened can be looked up at once.
pub async fn the_latest_record_of_a_key_is_found(stage: Stage) {
    let topic = stage.table("market.ticks", 3).await;
    let records = (0..30).map(|n| keyed(&topic, &format!("k{}", n % 10), &n.to_string())).collect();
    stage.publish(records).await;
    let table = open(&stage, &topic).await;
    for key in 0..10 {
        assert_eq!(value(&*table, &format!("k{key}")), Some((20 + key).to_string()));
    }
    assert_eq!(table.latest(b"missing"), None);
    let found = table.latest(b"k3").expect("it is there");
    assert_eq!((found.topic, found.key.as_deref()), (topic, Some(b"k3".as_slice())));
}

/// It is a record without a value.
pub async fn a_tombstone_is_found(stage: Stage) {
    let topic = stage.table("market.ticks", 1).await;
    let gone = Outgoing { value: None, ..keyed(&topic, "k", "") };
    stage.publish(vec![keyed(&topic, "k", "1"), gone]).await;
    let table = open(&stage, &topic).await;
    assert_eq!(table.latest(b"k").map(|record| record.value), Some(None));
    stage.publish(vec![keyed(&topic, "k", "2")]).await;
    eventually(|| value(&*table, "k").as_deref() == Some("2")).await;
}

/// What is appended later is found soon; an earlier value never comes back.
pub async fn a_table_follows_its_topic(stage: Stage) {
    let topic = stage.table("market.ticks", 2).await;
    let table = open(&stage, &topic).await;
    assert_eq!(table.latest(b"k"), None);
    for number in 0..20 {
        stage.publish(vec![keyed(&topic, "k", &number.to_string())]).await;
        eventually(|| value(&*table, "k") == Some(number.to_string())).await;
    }
}

/// The error names it.
pub async fn a_missing_topic_is_no_table(stage: Stage) {
    let opened = within(stage.transport().tables().open(TopicName::new("market.missing"))).await;
    assert!(opened.err().expect("there is no such topic").message.contains("market.missing"));
}

/// A table gives no signal when it has followed.
async fn eventually(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
