//! Partitions that are taken away at an odd moment.

use std::{sync::Arc, time::Duration};

use pandaflow::{
    Offset, Partition, Timestamp, TopicName,
    policy::watermark::Progress,
    ports::{Mark, SettleErrorKind, Settlement},
};
use pandaflow_actors::{
    testkit::contract::{Notice, Task},
    transport::kafka::{GroupProtocol, KafkaConfig},
};

use super::{admin::Admin, at, attentive, gate::Gate, process, read_on, support, values};

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
