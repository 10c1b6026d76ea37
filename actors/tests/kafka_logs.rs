//! Logs that are not what they were: cut short by retention, made anew, grown, or with a state from the future. And partitions
//! that are taken away at an odd moment.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

#[path = "kafka_support/admin.rs"]
mod admin;

#[path = "kafka_support/gate.rs"]
mod gate;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pandaflow::{
    Offset, Partition, Timestamp, TopicName,
    policy::watermark::Progress,
    ports::{Mark, SettleErrorKind, Settlement, StateChange, Transport},
};
use pandaflow_actors::{
    testkit::contract::{Member, Notice, Stage, Subject, Task},
    transport::kafka::{GroupProtocol, KafkaConfig, KafkaTransport},
};

use self::{admin::Admin, gate::Gate};

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

/// One of two inputs is taken away alone and comes back: what was given back of the other is read again.
#[tokio::test]
async fn what_was_given_back_of_an_input_that_stayed_is_read_again() {
    let Some(broker) = support::broker() else { return };
    let config = KafkaConfig { protocol: GroupProtocol::Consumer, ..attentive(&broker) };
    let stage = process(&config);
    let (a, b) = (stage.topic("paper.a", 1).await, stage.topic("paper.b", 1).await);
    stage.publish_values(&b, 0..10).await;
    let mut member = stage.subscribe("g", &[&a, &b]);
    let task = member.assigned_one().await;
    task.request(100);
    assert_eq!(read_on(&mut member, 10).await.1, values(0..10));
    stage.settle(Settlement { progress: at(&b, 6), ..task.effects() }).await;
    Admin::new(&broker, &config.prefix).make_anew("paper.a", 1).await;
    // Left alone, its inputs go on as they are; both ways are right, but only the one is looked at here.
    match member.next().await {
        Notice::Revoked { released, .. } => drop(released),
        other => panic!("the input that is gone is to be given back, not {}", other.name()),
    }
    let (task, found) = read_on(&mut member, 4).await;
    assert_eq!(task.unwrap().acquired.progress[1], (b, Progress::at(Offset(6))));
    assert_eq!(found, values(6..10));
    member.finish().await;
}

/// A settlement that hangs between its effects and its progress.
fn hanging(task: &Task, topic: &TopicName) -> Settlement {
    let id = pandaflow::EventId(uuid::Uuid::now_v7());
    Settlement {
        marks: vec![Mark { id, expires: Timestamp(i64::MAX) }],
        progress: at(topic, 0),
        ..task.effects()
    }
}

/// Its owner is told, and who asked for it is told no failure.
#[tokio::test]
async fn a_partition_that_is_taken_away_while_it_starts_over_is_nobodys_failure() {
    let Some(broker) = support::broker() else { return };
    let mut config = support::config(&broker);
    let other = process(&config);
    let gate = Arc::new(Gate::around(config.dedup.clone()));
    config.dedup = gate.clone();
    let stage = process(&config);
    let topic = stage.topic("paper.in", 2).await;
    let mut member = stage.subscribe("g", &[&topic]);
    let tasks = member.assigned(2).await;
    let under_way: Vec<_> =
        tasks.iter().map(|task| tokio::spawn(stage.settlements().settle(hanging(task, &topic)))).collect();
    gate.holds(2).await;
    // They wait for what is under way.
    let restarts = [0, 1].map(|partition| tokio::spawn(member.subscription().restart(Partition(partition))));
    let mut joined = other.subscribe("g", &[&topic]);
    let theirs = joined.assigned_one().await.partition();
    match member.next().await {
        Notice::Lost { partition, epoch } => {
            assert_eq!(partition, theirs);
            assert!(
                tasks.iter().any(|task| task.acquired.owner.epoch == epoch && task.partition() == theirs)
            );
        }
        other => panic!("its owner is told that it is gone, not {}", other.name()),
    }
    let [first, second] = restarts;
    let (taken, stays) = if theirs == Partition(0) { (first, second) } else { (second, first) };
    taken.await.unwrap().expect("it was taken away, and that is all");
    gate.open();
    stays.await.unwrap().expect("it starts over");
    assert_ne!(member.assigned_one().await.partition(), theirs);
    for settled in under_way {
        assert_eq!(settled.await.unwrap().unwrap_err().error.kind, SettleErrorKind::Fenced);
    }
    joined.finish().await;
    member.finish().await;
}

/// What was begun for an earlier assignment, and took its time, ends no owner of a later one.
#[tokio::test]
async fn a_look_up_that_is_out_of_date_ends_no_owner() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    // Shared out by ranges in the order of the members' names: the other one gets the first two.
    let other = process(&KafkaConfig { client_id: "a".into(), ..config.clone() });
    let admin = Admin::new(&broker, &config.prefix);
    let gate = Arc::new(Gate::around(config.dedup.clone()));
    let stage = process(&KafkaConfig { client_id: "z".into(), dedup: gate.clone(), ..config });
    let (topic, second) = (stage.topic("paper.in", 4).await, stage.topic("paper.more", 4).await);
    // Somebody who has something under way of the first partition.
    let owner = stage.acquire("g", 0, &[&topic]).await.owner;
    let marks = vec![Mark { id: pandaflow::EventId(uuid::Uuid::now_v7()), expires: Timestamp(i64::MAX) }];
    let hanging = Settlement { marks, ..Settlement::empty(owner) };
    let under_way = tokio::spawn(stage.settlements().settle(hanging));
    gate.holds(1).await;
    let mut member = stage.subscribe("g", &[&topic, &second]);
    // It has all four, and waits for that; then the last two.
    admin.settled_group("g", 1).await;
    let mut joined = other.subscribe("g", &[&topic, &second]);
    let theirs = joined.assigned(1).await;
    assert!(theirs[0].partition() < Partition(2));
    let tasks = member.assigned(2).await;
    assert_eq!(tasks.iter().map(Task::partition).collect::<Vec<_>>(), [Partition(2), Partition(3)]);
    gate.open();
    drop(under_way.await.unwrap());
    for _ in 0..100 {
        for task in &tasks {
            stage.settle(Settlement { progress: at(&topic, 0), ..task.effects() }).await;
        }
    }
    joined.finish().await;
    member.finish().await;
}

/// One owner of a lot has let go, another one has not: whoever closes then waits for that one, and not for the first until the end of its
/// time.
#[tokio::test]
async fn a_member_that_closes_while_a_lot_is_given_back_waits_for_who_has_not_let_go() {
    let Some(broker) = support::broker() else { return };
    let mut config = support::config(&broker);
    config.session = (Duration::from_secs(10), Duration::from_millis(300));
    let (stage, other) = (process(&config), process(&config));
    let topic = stage.topic("paper.in", 4).await;
    let mut member = stage.subscribe("g", &[&topic]);
    assert_eq!(member.assigned(4).await.len(), 4);
    let joins = other.subscribe("g", &[&topic]);
    let (first, second) = (member.next().await, member.next().await);
    drop(first);
    let closed = member.subscription().close();
    let rest = [second, member.next().await, member.next().await];
    assert!(rest.iter().all(|notice| matches!(notice, Notice::Revoked { .. })), "everything is given back");
    drop(rest);
    tokio::time::timeout(config.drain / 2, closed).await.expect("nobody drains any more");
    assert!(joins.finish().await.is_empty());
}
