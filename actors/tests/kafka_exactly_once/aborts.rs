//! Transactions that are not committed leave nothing, and a later owner's word goes before an earlier one's.

use bytes::Bytes;
use pandaflow::{
    Guarantee, Offset, Partition, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{SettleErrorKind, Settlement, StateChange, SubscriptionRequest, Transport},
};
use pandaflow_actors::{
    testkit::contract::{Notice, Stage, effects, keyed},
    transport::kafka::{GroupProtocol, KafkaConfig},
};
use rdkafka::Message;

use super::{Kafka, config, raw_log, support};

/// An output, a state, an offset and a ledger.
fn settlement(task: &Settlement, out: &TopicName, value: &str, input: &TopicName, next: u64) -> Settlement {
    Settlement {
        outputs: vec![keyed(out, "k", value)],
        states: vec![StateChange::new(Bytes::from_static(b"k"), Some(value.to_owned().into()))],
        progress: vec![(input.clone(), Progress::at(Offset(next)))],
        ledger: Ledger { consumed: next, succeeded: next, ..Ledger::default() },
        ..task.clone()
    }
}

fn values(broker: &str, config: &KafkaConfig, topic: &TopicName) -> Vec<String> {
    let messages = raw_log::read_committed(broker, &format!("{}{topic}", config.prefix), 1);
    messages
        .iter()
        .map(|message| String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned())
        .collect()
}

/// One record that the broker refuses: nothing of the transaction is there, whoever's it was, and the next one is.
#[actix::test]
async fn an_aborted_transaction_leaves_no_output_no_state_and_no_offset() {
    let Some(broker) = support::broker() else { return };
    let subject = Kafka::new(&broker, GroupProtocol::Classic);
    let config = subject.config.clone();
    let small = TopicName::new("paper.small");
    raw_log::create(&broker, &format!("{}{small}", config.prefix), ("max.message.bytes", "2000")).await;
    let stage = Stage::of(subject);
    let (input, out) = (stage.topic("paper.in", 2).await, stage.topic("paper.out", 1).await);
    let mut member = stage.subscribe("g", &[&input]);
    let tasks = member.assigned(2).await;

    let refused = settlement(&tasks[0].effects(), &small, &incompressible(5000), &input, 3);
    let beside = settlement(&tasks[1].effects(), &out, "beside", &input, 4);
    let store = stage.settlements();
    let (first, second) = (store.settle(refused.clone()), store.settle(beside.clone()));
    let unsettled = first.await.expect_err("the broker takes no record of 5,000 bytes there");
    assert_eq!(unsettled.error.kind, SettleErrorKind::Retry);
    assert_eq!(unsettled.settlement, refused);
    // Whether the other came into the same transaction is a matter of luck; if so, it is tried again.
    if let Err(unsettled) = second.await {
        assert_eq!(unsettled.error.kind, SettleErrorKind::Retry);
        settle_at_last(&stage, unsettled.settlement).await;
    }
    assert_eq!(values(&broker, &config, &small), [""; 0]);
    assert_eq!(values(&broker, &config, &out), ["beside"]);
    assert_eq!(stage.state("g", 0, "k").await, None);
    assert_eq!(stage.state("g", 1, "k").await, Some(Bytes::from_static(b"beside")));

    // A new owner finds nothing of it, and can settle what follows.
    member.subscription().restart(Partition(0)).await.unwrap();
    let later = member.assigned_one().await;
    assert_eq!(later.acquired.progress, [(input.clone(), Progress::at(Offset(0)))]);
    assert_eq!((later.acquired.ledger, later.acquired.applied.len()), (Ledger::default(), 0));
    settle_at_last(&stage, settlement(&later.effects(), &small, "fits", &input, 2)).await;
    assert_eq!(values(&broker, &config, &small), ["fits"]);
    member.finish().await;
    let found = stage.acquire("g", 0, &[&input]).await;
    assert_eq!(found.progress, [(input.clone(), Progress::at(Offset(2)))]);
    assert_eq!(stage.scan("g").await.len(), 2, "one of each partition");
}

/// Settles, again where it is told that it may be tried again: after an abort the client takes a moment to go on.
async fn settle_at_last(stage: &Stage, mut settlement: Settlement) {
    for _ in 0..50 {
        match stage.settlements().settle(settlement).await {
            Ok(()) => return,
            Err(unsettled) => {
                assert_eq!(unsettled.error.kind, SettleErrorKind::Retry);
                println!("{}", unsettled.error);
                settlement = unsettled.settlement;
            }
        }
    }
    panic!("it is not settled however often it is tried");
}

/// What compression makes no smaller.
fn incompressible(bytes: u32) -> String {
    let mut seed = 7_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'!' + u8::try_from((seed >> 16) % 90).unwrap())
    };
    (0..bytes).map(|_| next()).collect()
}

/// Two processes that publish under one name: the later one has it, also where the earlier one is in the middle of something.
#[actix::test]
async fn a_later_owner_fences_an_earlier_one_of_another_process() {
    let Some(broker) = support::broker() else { return };
    let subject = Kafka::new(&broker, GroupProtocol::Classic);
    let config = subject.config.clone();
    let other = Stage::of(Kafka { transport: support::transport(&config), config: config.clone() });
    let stage = Stage::of(subject);
    let (source, out) = (stage.topic("paper.source", 1).await, stage.topic("paper.out", 1).await);
    let from = |owner: &pandaflow::ports::Owner, value: &str, next| {
        settlement(&effects(owner), &out, value, &source, next)
    };
    let first = stage.acquire("feed", 0, &[&source]).await.owner;
    stage.settle(from(&first, "1", 1)).await;
    let second = other.acquire("feed", 0, &[&source]).await;
    assert!(second.owner.epoch > first.epoch);
    assert_eq!(second.progress, [(source.clone(), Progress::at(Offset(1)))]);

    let late = stage.refused(from(&first, "late", 2)).await;
    assert_eq!(late.error.kind, SettleErrorKind::Fenced);
    other.settle(from(&second.owner, "2", 2)).await;
    assert_eq!(stage.refused(from(&first, "late", 2)).await.error.kind, SettleErrorKind::Fenced);
    // A partition of its own is another name.
    let beside = stage.acquire("feed", 1, &[]).await.owner;
    stage.settle(effects(&beside)).await;

    let third = stage.acquire("feed", 0, &[&source]).await;
    assert_eq!(third.progress, [(source.clone(), Progress::at(Offset(2)))]);
    assert_eq!(other.refused(from(&second.owner, "late", 3)).await.error.kind, SettleErrorKind::Fenced);
    stage.settle(from(&third.owner, "3", 3)).await;
    assert_eq!(values(&broker, &config, &out), ["1", "2", "3"]);
}

/// A partition that was taken away, and a transaction that it had a part in: nothing of that part becomes real.
#[actix::test]
async fn what_an_owner_settles_after_it_was_let_go_is_nothing() {
    let Some(broker) = support::broker() else { return };
    let subject = Kafka::new(&broker, GroupProtocol::Classic);
    let config = subject.config.clone();
    let stage = Stage::of(subject);
    let (input, out) = (stage.topic("paper.in", 1).await, stage.topic("paper.out", 1).await);
    let mut member = stage.subscribe("g", &[&input]);
    let task = member.assigned_one().await;
    let closed = member.subscription().close();
    let Notice::Revoked { released, .. } = member.next().await else { panic!("it should be revoked") };
    stage.settle(settlement(&task.effects(), &out, "drained", &input, 1)).await;
    // Handed in, and let go at once.
    let late = stage.settlements().settle(settlement(&task.effects(), &out, "late", &input, 2));
    drop(released);
    let late = late.await;
    closed.await;
    let mut expected = vec!["drained"];
    match late {
        Ok(()) => expected.push("late"),
        Err(unsettled) => assert_eq!(unsettled.error.kind, SettleErrorKind::Fenced),
    }
    assert_eq!(values(&broker, &config, &out), expected);
    let found = stage.acquire("g", 0, &[&input]).await;
    assert_eq!(found.progress[0].1, Progress::at(Offset(expected.len() as u64)));
}

/// More than a commit's note has room for.
#[actix::test]
async fn however_much_is_settled_above_the_watermark_none_of_it_comes_again() {
    let Some(broker) = support::broker() else { return };
    let config = config(&broker, GroupProtocol::Classic);
    let stage = Stage::of(Kafka { transport: support::transport(&config), config: config.clone() });
    let input = stage.topic("paper.in", 1).await;
    let every_other = |from: u64, to: u64| (from..to).map(|n| (Offset(2 * n), Offset(2 * n))).collect();
    for (next, above) in
        [(0, every_other(1, 5000)), (20, every_other(11, 6000)), (11_990, every_other(5996, 6000))]
    {
        let owner = stage.acquire("g", 0, &[&input]).await.owner;
        let progress = vec![(input.clone(), Progress { next: Offset(next), above })];
        stage.settle(Settlement { progress: progress.clone(), ..effects(&owner) }).await;
        assert_eq!(stage.acquire("g", 0, &[&input]).await.progress, progress);
    }
}

/// Both guarantees in one process, and a group that changes from one to the other.
#[actix::test]
async fn a_group_can_change_its_guarantee() {
    let Some(broker) = support::broker() else { return };
    let config = config(&broker, GroupProtocol::Classic);
    let stage = Stage::of(Kafka { transport: support::transport(&config), config: config.clone() });
    let (input, out) = (stage.topic("paper.in", 1).await, stage.topic("paper.out", 1).await);
    // What the group comes past has to be there, or the topic would count as one that was made anew.
    stage.publish_values(&input, 0..3).await;
    let transport = support::transport(&config);
    for (next, guarantee) in
        [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce].into_iter().enumerate()
    {
        let request = SubscriptionRequest {
            guarantee: Some(guarantee),
            ..SubscriptionRequest::new("g".into(), vec![input.clone()])
        };
        let mut member =
            pandaflow_actors::testkit::contract::Member::join(&*transport.source(), request).unwrap();
        let task = member.assigned_one().await;
        assert_eq!(task.acquired.progress[0].1, Progress::at(Offset(next as u64)));
        let value = next.to_string();
        let settled = settlement(&task.effects(), &out, &value, &input, next as u64 + 1);
        transport.settlement().settle(settled).await.unwrap();
        member.finish().await;
    }
    assert_eq!(values(&broker, &config, &out), ["0", "1", "2"]);
    assert_eq!(stage.state("g", 0, "k").await, Some(Bytes::from_static(b"2")));
}
