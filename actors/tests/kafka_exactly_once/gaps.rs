//! Offsets without records, and records that nobody has committed: whatever looks at offsets gets past the first and never
//! sees the second.

use bytes::Bytes;
use futures_util::FutureExt;
use pandaflow::{
    Partition, TopicName,
    policy::watermark::Progress,
    ports::{Settlement, StateChange},
};
use pandaflow_actors::{
    testkit::contract::{Stage, effects},
    transport::kafka::GroupProtocol,
};

use super::{
    Kafka,
    raw_log::{self, OpenTransaction},
    support,
};

async fn stage(broker: &str) -> (Stage, TopicName, String) {
    let subject = Kafka::new(broker, GroupProtocol::Classic);
    let prefix = subject.config.prefix.clone();
    let stage = Stage::of(subject);
    let topic = stage.table("paper.in", 1).await;
    let on_broker = format!("{prefix}{topic}");
    (stage, topic, on_broker)
}

async fn behind(stage: &Stage, group: &str) -> u64 {
    stage.lag(group).await.iter().map(pandaflow::ports::Lag::records).sum()
}

async fn settle(stage: &Stage, topic: &TopicName, progress: &str) {
    let owner = stage.acquire("g", 0, &[topic]).await.owner;
    let progress = vec![(topic.clone(), progress.parse().unwrap())];
    stage.settle(Settlement { progress, ..effects(&owner) }).await;
}

/// 0 and 1 committed, 2 their commit, 3 and 4 aborted, 5 their abort.
#[actix::test]
async fn whoever_has_settled_the_last_record_is_not_behind_whatever_follows() {
    let Some(broker) = support::broker() else { return };
    let (stage, topic, on_broker) = stage(&broker).await;
    OpenTransaction::begin(&broker, &on_broker, &[("k", "0"), ("k", "1")]).commit();
    settle(&stage, &topic, "1;1;").await;
    assert!(behind(&stage, "g").await > 0, "1 is not settled");
    settle(&stage, &topic, "1;2;").await;
    assert_eq!(behind(&stage, "g").await, 0, "only the end of a transaction follows");
    let open = OpenTransaction::begin(&broker, &on_broker, &[("k", "3"), ("k", "4")]);
    assert!(behind(&stage, "g").await > 0, "whether 3 and 4 are to be handled is open");
    open.abort();
    support::eventually(async || (behind(&stage, "g").await == 0).then_some(())).await;
    assert_eq!(raw_log::offsets(&broker, &on_broker, 1), 6);
    // Asked again it is known already, for every group that stands there.
    assert_eq!(behind(&stage, "g").await, 0);
    OpenTransaction::begin(&broker, &on_broker, &[("k", "6")]).commit();
    support::eventually(async || (behind(&stage, "g").await > 0).then_some(())).await;
    settle(&stage, &topic, "1;7;").await;
    assert_eq!(behind(&stage, "g").await, 0);
}

/// The watermark of a new owner stands before a gap that it has not read past yet.
#[actix::test]
async fn whoever_has_settled_all_above_a_gap_is_not_behind() {
    let Some(broker) = support::broker() else { return };
    let (stage, topic, on_broker) = stage(&broker).await;
    OpenTransaction::begin(&broker, &on_broker, &[("k", "0"), ("k", "1")]).commit();
    OpenTransaction::begin(&broker, &on_broker, &[("k", "3"), ("k", "4")]).commit();
    settle(&stage, &topic, "1;2;3-4").await;
    support::eventually(async || (behind(&stage, "g").await == 0).then_some(())).await;
    settle(&stage, &topic, "1;2;3").await;
    assert!(behind(&stage, "g").await > 0, "4 is not settled");
}

/// Delivered are committed records alone, and more than a page of aborted ones in between holds nobody up.
#[actix::test]
async fn aborted_records_are_delivered_to_nobody() {
    let Some(broker) = support::broker() else { return };
    let (stage, topic, on_broker) = stage(&broker).await;
    let aborted: Vec<(String, String)> = (0..5000).map(|n| (format!("k{n}"), "aborted".into())).collect();
    let aborted: Vec<(&str, &str)> =
        aborted.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    OpenTransaction::begin(&broker, &on_broker, &[("k", "first")]).commit();
    OpenTransaction::begin(&broker, &on_broker, &aborted).abort();
    OpenTransaction::begin(&broker, &on_broker, &[("k", "last")]).commit();
    OpenTransaction::begin(&broker, &on_broker, &aborted).abort();
    let mut member = stage.subscribe("g", &[&topic]);
    let task = member.assigned_one().await;
    task.request(100_000);
    let records = member.records(2).await;
    let found: Vec<_> = records.iter().map(|record| record.value.clone().unwrap_or_default()).collect();
    assert_eq!(found, ["first", "last"]);
    let progress = vec![(topic.clone(), Progress::at(records[1].offset.next()))];
    stage.settle(Settlement { progress, ..task.effects() }).await;
    support::eventually(async || (behind(&stage, "g").await == 0).then_some(())).await;
    assert!(member.finish().await.is_empty());
    let table = stage.transport().tables().open(topic).await.unwrap();
    assert_eq!(table.latest(b"k").and_then(|record| record.value), Some(Bytes::from_static(b"last")));
    assert_eq!(table.latest(b"k7"), None);
}

/// A table that is opened, and a state that is restored, wait for a transaction that lies before what is committed: without
/// that they would miss it.
#[actix::test]
async fn what_is_committed_behind_an_open_transaction_is_not_missed() {
    let Some(broker) = support::broker() else { return };
    let (stage, topic, on_broker) = stage(&broker).await;
    let owner = stage.acquire("g", 0, &[]).await.owner;
    let state = StateChange::new(Bytes::from_static(b"k"), Some(Bytes::from_static(b"state")));
    stage.settle(Settlement { states: vec![state.clone()], ..effects(&owner) }).await;
    let other = stage.acquire("h", 0, &[]).await.owner;
    stage.settle(Settlement { states: vec![state.clone()], ..effects(&other) }).await;
    let changelog = on_broker.replace("paper.in", "g.changelog");
    // As somebody who has died in the middle of it leaves them.
    let in_table = OpenTransaction::begin(&broker, &on_broker, &[("k", "open")]);
    let in_changelog = OpenTransaction::begin(&broker, &changelog, &[("sk", "open")]);
    stage.publish(vec![pandaflow_actors::testkit::contract::keyed(&topic, "k", "behind")]).await;
    let newer = StateChange { value: Some(Bytes::from_static(b"newer")), ..state };
    stage.settle(Settlement { states: vec![newer], ..effects(&owner) }).await;

    let mut table = stage.transport().tables().open(topic);
    let mut restored = stage.transport().settlement().acquire("g".into(), Partition(0), Vec::new());
    let mut scanned = Box::pin(stage.scan("g"));
    // Others get their answers meanwhile, one after the other: these have had time enough for one that came too early.
    for _ in 0..5 {
        stage.acquire("h", 0, &[]).await;
        assert_eq!(stage.scan("h").await.len(), 1);
        assert!((&mut table).now_or_never().is_none(), "a transaction is open there");
        assert!((&mut restored).now_or_never().is_none(), "a transaction is open there");
        assert!((&mut scanned).now_or_never().is_none(), "a transaction is open there");
    }
    in_table.abort();
    in_changelog.abort();
    let latest = table.await.unwrap().latest(b"k").and_then(|record| record.value);
    assert_eq!(latest, Some(Bytes::from_static(b"behind")));
    restored.await.unwrap();
    assert_eq!(stage.state("g", 0, "k").await, Some(Bytes::from_static(b"newer")));
    assert_eq!(scanned.await, [(Bytes::from_static(b"k"), Bytes::from_static(b"newer"))]);
}
