//! Tables from checkpoints.

use std::{collections::BTreeMap, sync::Arc};

use pandaflow::{Outgoing, TopicName, ports::TableView};
use pandaflow_actors::testkit::contract::keyed;

use super::{
    admin::Admin,
    machine::{Machine, Process},
    support,
};

const KEYS: u32 = 60;

async fn open(process: &Process, topic: &TopicName) -> Arc<dyn TableView> {
    process.stage.transport().tables().open(topic.clone()).await.unwrap()
}

fn name(number: u32) -> String {
    format!("instrument-{number}")
}

fn prices(topic: &TopicName, keys: std::ops::Range<u32>, value: &str) -> Vec<Outgoing> {
    let headers: pandaflow::Headers = [("unit", "EUR")].into_iter().collect();
    let price = |number| Outgoing { headers: headers.clone(), ..keyed(topic, &name(number), value) };
    keys.map(price).collect()
}

fn shown(table: &dyn TableView) -> BTreeMap<String, pandaflow::Record> {
    (0..KEYS + 10).filter_map(|number| Some((name(number), table.latest(name(number).as_bytes())?))).collect()
}

/// That a process with the folder reads so many records, and shows what one without shows.
async fn assert_shows_the_same(machine: &Machine, topic: &TopicName, read: (u64, u64)) {
    let (process, elsewhere) = (machine.process(), machine.elsewhere());
    let (table, plain) = (open(&process, topic).await, open(&elsewhere, topic).await);
    assert_eq!(process.read(), read);
    assert_eq!(shown(&*table), shown(&*plain));
    drop((table, plain));
    process.end().await;
    elsewhere.end().await;
}

#[tokio::test]
async fn a_table_is_there_again_from_its_checkpoint_and_the_tail() {
    let Some(machine) = Machine::new() else { return };
    let process = machine.process();
    let topic = process.stage.table("market.prices", 3).await;
    process.stage.publish(prices(&topic, 0..KEYS, "1")).await;
    let table = open(&process, &topic).await;
    assert_eq!(process.read(), (0, u64::from(KEYS)));
    drop(table);
    process.end().await;
    assert_shows_the_same(&machine, &topic, (u64::from(KEYS), 0)).await;

    let elsewhere = machine.elsewhere();
    let removal = Outgoing { value: None, ..keyed(&topic, &name(3), "") };
    let more = prices(&topic, KEYS - 5..KEYS + 5, "2").into_iter().chain([removal]).collect();
    elsewhere.stage.publish(more).await;
    elsewhere.end().await;
    assert_shows_the_same(&machine, &topic, (u64::from(KEYS), 11)).await;
    assert_shows_the_same(&machine, &topic, (u64::from(KEYS) + 5, 0)).await;
}

#[tokio::test]
async fn a_table_from_a_checkpoint_follows_its_topic() {
    let Some(machine) = Machine::new() else { return };
    let process = machine.process();
    let topic = process.stage.table("market.prices", 1).await;
    process.stage.publish(prices(&topic, 0..KEYS, "1")).await;
    drop(open(&process, &topic).await);
    process.end().await;
    let process = machine.process();
    let table = open(&process, &topic).await;
    process.stage.publish(prices(&topic, 7..8, "2")).await;
    let latest = || table.latest(name(7).as_bytes()).unwrap().value.unwrap();
    support::eventually(async || (latest() == "2").then_some(())).await;
    drop(table);
    process.end().await;
}

#[tokio::test]
async fn a_table_whose_topic_was_made_anew_shows_nothing_of_the_earlier_one() {
    let Some(machine) = Machine::new() else { return };
    let process = machine.process();
    let topic = process.stage.table("market.prices", 1).await;
    process.stage.publish(prices(&topic, 0..KEYS, "1")).await;
    drop(open(&process, &topic).await);
    process.end().await;
    Admin::new(&machine.broker, &machine.plain.prefix).make_anew("market.prices", 1).await;
    let elsewhere = machine.elsewhere();
    elsewhere.stage.publish(prices(&topic, 30..KEYS + 10, "anew")).await;
    elsewhere.stage.publish(prices(&topic, 30..KEYS + 10, "again")).await;
    elsewhere.end().await;
    assert_shows_the_same(&machine, &topic, (0, 80)).await;
    assert_shows_the_same(&machine, &topic, (40, 0)).await;
}
