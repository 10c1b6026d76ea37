//! Logs that are not what they were: cut short by retention, made anew, grown, or with a state from the future.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

#[path = "kafka_support/admin.rs"]
mod admin;

#[path = "kafka_support/gate.rs"]
mod gate;

#[path = "kafka_logs/late_owners.rs"]
mod late_owners;

#[path = "kafka_logs/odd_moments.rs"]
mod odd_moments;

use std::sync::Arc;

use bytes::Bytes;
use pandaflow::{
    Offset, Partition, TopicName,
    policy::watermark::Progress,
    ports::{Settlement, StateChange, Transport},
};
use pandaflow_actors::{
    testkit::contract::{Member, Notice, Stage, Subject, Task},
    transport::kafka::{KafkaConfig, KafkaTransport},
};

use self::admin::Admin;

struct Open(Arc<KafkaTransport>);

impl Subject for Open {
    fn transport(&self) -> Arc<dyn Transport> {
        self.0.clone()
    }
}

/// A process of its own, on the same broker as others with these settings.
fn process(config: &KafkaConfig) -> Stage {
    Stage::of(Open(support::transport(config)))
}

/// Clients look quickly at what has become of topics.
fn attentive(broker: &str) -> KafkaConfig {
    let mut config = support::config(broker);
    config.properties.insert("topic.metadata.refresh.interval.ms".into(), "300".into());
    config.properties.insert("topic.metadata.propagation.max.ms".into(), "300".into());
    config
}

fn values(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|value| value.to_string()).collect()
}

/// Gives back what is to be given back and asks for records of what is assigned, until as many have come.
async fn read_on(member: &mut Member, count: usize) -> (Option<Task>, Vec<String>) {
    let (mut newest, mut found) = (None, Vec::new());
    while found.len() < count {
        match member.next().await {
            Notice::Assigned(task) => {
                task.request(100);
                newest = Some(task);
            }
            Notice::Delivered(batch) => {
                let value = |record: &pandaflow::Record| {
                    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
                };
                found.extend(batch.records.iter().map(value));
            }
            Notice::Revoked { released, .. } => drop(released),
            Notice::Lost { .. } => {}
            Notice::Failed(error) => panic!("{error}"),
        }
    }
    (newest, found)
}

fn at(topic: &TopicName, next: u64) -> Vec<(TopicName, Progress)> {
    vec![(topic.clone(), Progress::at(Offset(next)))]
}

fn state(key: &'static str, value: &'static str, applied: Vec<(TopicName, Offset)>) -> StateChange {
    let (key, value) = (Bytes::from_static(key.as_bytes()), Some(Bytes::from_static(value.as_bytes())));
    StateChange { applied, ..StateChange::new(key, value) }
}

/// Nothing is behind what is gone, and the group goes on with what is there.
#[tokio::test]
async fn a_group_that_retention_has_overtaken_goes_on_and_is_not_behind() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let stage = process(&config);
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..10).await;
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    stage.settle(Settlement { progress: at(&topic, 2), ..Settlement::empty(owner) }).await;
    let admin = Admin::new(&broker, &config.prefix);
    admin.delete_records("paper.in", 6).await;
    assert_eq!(stage.lag("g").await[0].records(), 4);
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    assert_eq!(task.acquired.progress, at(&topic, 6));
    task.request(100);
    assert_eq!(read_on(&mut member, 4).await.1, values(6..10));
    admin.delete_records("paper.in", 10).await;
    assert_eq!(stage.lag("g").await[0].records(), 0);
    assert!(member.finish().await.is_empty());
}

/// While its group reads it: what lies in the new one is read from its beginning.
#[tokio::test]
async fn a_topic_that_is_made_anew_is_read_from_its_beginning() {
    let Some(broker) = support::broker() else { return };
    let config = attentive(&broker);
    let stage = process(&config);
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..10).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    task.request(100);
    assert_eq!(read_on(&mut member, 10).await.1, values(0..10));
    stage.settle(Settlement { progress: at(&topic, 10), ..task.effects() }).await;
    let admin = Admin::new(&broker, &config.prefix);
    admin.make_anew("paper.in", 1).await;
    // As another process: this one's producer may not know yet that there is a new one.
    process(&config).publish_values(&topic, 100..103).await;
    assert_eq!(read_on(&mut member, 3).await.1, values(100..103));
    assert!(member.finish().await.is_empty());
}

/// What a state remembers of the events of an earlier topic says nothing of those of a new one.
#[tokio::test]
async fn what_has_gone_in_from_an_earlier_topic_is_no_duplicate_in_a_new_one() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let stage = process(&config);
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..10).await;
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    let states = vec![
        state("k", "old", vec![(topic.clone(), Offset(900))]),
        state("other", "old", vec![(topic.clone(), Offset(5))]),
    ];
    stage.settle(Settlement { states, progress: at(&topic, 901), ..Settlement::empty(owner) }).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    assert_eq!(task.acquired.progress, at(&topic, 0));
    assert_eq!(task.acquired.applied, []);
    task.request(100);
    assert_eq!(read_on(&mut member, 10).await.1, values(0..10));
    // Also once the new one has grown past that.
    stage.settle(Settlement { progress: at(&topic, 1), ..task.effects() }).await;
    stage.publish_values(&topic, 10..1000).await;
    member.subscription().restart(Partition(0)).await.unwrap();
    let task = loop {
        if let Notice::Assigned(task) = member.next().await {
            break task;
        }
    };
    assert_eq!(task.acquired.applied, []);
    assert_eq!(stage.state("g", 0, "k").await.as_deref(), Some(&b"old"[..]));
    member.finish().await;
}

/// Of partitions that another process has written to since this one has asked how many there are.
#[tokio::test]
async fn the_state_of_partitions_that_were_added_is_found_by_every_process() {
    let Some(broker) = support::broker() else { return };
    let config = attentive(&broker);
    let (one, other) = (process(&config), process(&config));
    let topic = one.topic("paper.in", 2).await;
    let mut member = one.subscribe("g", &[&topic]);
    member.assigned(2).await;
    // The other one knows of two.
    other.acquire("g", 0, &[&topic]).await;
    Admin::new(&broker, &config.prefix).grow("paper.in", 4).await;
    let grown = loop {
        match member.next().await {
            Notice::Assigned(task) if task.partition() == Partition(3) => break task,
            Notice::Revoked { released, .. } => drop(released),
            _ => {}
        }
    };
    let ledger = pandaflow::policy::ledger::Ledger { consumed: 1, succeeded: 1, ..Default::default() };
    let states = vec![state("k", "mine", Vec::new())];
    one.settle(Settlement { states, ledger, progress: at(&topic, 0), ..grown.effects() }).await;
    member.finish().await;
    let mut member = other.subscribe("g", &[&topic]);
    let tasks = member.assigned(4).await;
    assert_eq!(tasks[3].acquired.ledger, ledger);
    assert_eq!(other.state("g", 3, "k").await.as_deref(), Some(&b"mine"[..]));
    member.finish().await;
}

/// An owner whose clock is behind that of one who died between its state and its commit.
#[tokio::test]
async fn an_owner_is_above_every_epoch_that_a_state_was_written_in() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let stage = process(&config);
    let topic = stage.topic("paper.in", 1).await;
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    let states = vec![state("other", "any", Vec::new())];
    stage.settle(Settlement { states, ..Settlement::empty(owner.clone()) }).await;
    let ahead = owner.epoch.0 + 40_000_000_000;
    Admin::new(&broker, &config.prefix).write_state("g.changelog", b"k", b"theirs", ahead).await;
    let later = process(&config);
    let owner = later.acquire("g", 0, &[&topic]).await.owner;
    assert!(owner.epoch.0 > ahead);
    let states = vec![state("k", "mine", Vec::new())];
    later.settle(Settlement { states, ..Settlement::empty(owner) }).await;
    assert_eq!(later.state("g", 0, "k").await.as_deref(), Some(&b"mine"[..]));
    let last = process(&config);
    last.acquire("g", 0, &[&topic]).await;
    assert_eq!(last.state("g", 0, "k").await.as_deref(), Some(&b"mine"[..]));
}
