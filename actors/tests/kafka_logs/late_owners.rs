//! Owners that have lost their partition and don't know it yet.

use std::time::Duration;

use bytes::Bytes;
use pandaflow::{
    EventId, Timestamp, TopicName,
    ports::{Claim, Mark, Owner, SettleErrorKind, Settlement, StateChange, SubscriptionRequest, Verdict},
};
use pandaflow_actors::{
    testkit::contract::{Member, Stage},
    transport::kafka::KafkaConfig,
};

use super::{at, process, support};

/// As a processor with dedup does.
fn join(stage: &Stage, topic: &TopicName) -> Member {
    let request =
        SubscriptionRequest { marks: true, ..SubscriptionRequest::new("g".into(), vec![topic.clone()]) };
    Member::join(&*stage.transport().source(), request).unwrap()
}

/// Another has taken its place under its instance id, and has read the state. What it writes now its successor does not see, so that
/// it must not be taken for done.
#[tokio::test]
async fn what_an_owner_does_after_its_successor_has_read_the_state_is_not_done() {
    let Some(broker) = support::broker() else { return };
    let config = KafkaConfig {
        instance_id: Some("one".into()),
        // It would hear of it by its next heartbeat.
        session: (Duration::from_secs(120), Duration::from_secs(60)),
        ..support::config(&broker)
    };
    let (stage, later) = (process(&config), process(&config));
    let topic = stage.topic("paper.in", 1).await;
    stage.publish_values(&topic, 0..1).await;
    let mut member = join(&stage, &topic);
    let task = member.assigned_one().await;
    let mut successor = join(&later, &topic);
    let theirs = successor.assigned_one().await.acquired.owner;

    let id = EventId(uuid::Uuid::now_v7());
    let late = Settlement {
        states: vec![StateChange::new(Bytes::from_static(b"k"), Some(Bytes::from_static(b"late")))],
        marks: vec![Mark { id, expires: Timestamp(i64::MAX) }],
        progress: at(&topic, 1),
        ..task.effects()
    };
    let refused = stage.settlements().settle(late).await.unwrap_err();
    assert_eq!(refused.error.kind, SettleErrorKind::StartOver);
    // Not one that has heard of it by itself: its state was written.
    let why = refused.error.to_string();
    assert!(why.contains("the dedup store knows of a later owner"), "{why}");
    assert_eq!(later.state("g", 0, "k").await, None);
    let claim = Claim { owner: theirs, ids: vec![id], now: Timestamp(0), lease: Duration::from_secs(30) };
    assert_eq!(later.transport().dedup().claim(claim).await, Ok(vec![Verdict::Fresh]));
    successor.finish().await;
}

/// Of two who publish under one name, in two processes, the later one goes on.
#[tokio::test]
async fn who_publishes_in_another_process_is_fenced_by_who_came_later() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let (stage, later) = (process(&config), process(&config));
    let source = stage.topic("feed.a", 1).await;
    let settle = |stage: &Stage, owner: &Owner, next| {
        let progress = at(&source, next);
        stage.settlements().settle(Settlement { progress, ..Settlement::empty(owner.clone()) })
    };
    let first = stage.acquire("feed", 0, &[&source]).await.owner;
    settle(&stage, &first, 5).await.unwrap();
    let second = later.acquire("feed", 0, &[&source]).await;
    assert_eq!(second.progress, at(&source, 5));
    settle(&stage, &first, 6).await.expect("nobody has committed since");
    settle(&later, &second.owner, 7).await.unwrap();
    let refused = settle(&stage, &first, 8).await.unwrap_err();
    assert_eq!(refused.error.kind, SettleErrorKind::Fenced);
    assert_eq!(later.acquire("feed", 0, &[&source]).await.progress, at(&source, 7));
}
