//! A source's thread says that it turns, and says so no more when something holds it.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use pandaflow::{
    Epoch, Group, Headers, Outgoing, Partition, Timestamp, TopicName,
    ports::{
        Assignee, Assignment, Batch, Settlement, StoreError, SubscriptionRequest, TopicToCreate, Transport,
    },
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Several times as long as from one beat to the next.
const SILENCE: Duration = Duration::from_secs(4);

/// Holds the thread that delivers to it until it is let go.
struct Holder {
    beats: mpsc::Sender<()>,
    delivered: mpsc::Sender<()>,
    let_go: Mutex<mpsc::Receiver<()>>,
}

impl Assignee for Holder {
    fn assigned(&self, Assignment { demand, .. }: Assignment) {
        demand.request(1, 1 << 20);
    }

    fn delivered(&self, _: Batch) {
        self.delivered.send(()).unwrap();
        self.let_go.lock().unwrap().recv().unwrap();
    }

    fn revoked(&self, _: Partition, _: Epoch, released: Box<dyn Send>) {
        drop(released);
    }

    fn lost(&self, _: Partition, _: Epoch) {}

    fn failed(&self, error: StoreError) {
        panic!("{error}");
    }

    fn beat(&self) {
        let _ = self.beats.send(());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_beats_while_nothing_comes_and_is_silent_while_something_holds_its_thread() {
    let Some(broker) = support::broker() else { return };
    let transport = support::transport(&support::config(&broker));
    let topic = TopicName::new("paper.beats");
    let retention = Duration::from_secs(3600);
    let wanted = TopicToCreate { topic: topic.clone(), partitions: 1, retention, table: false };
    transport.create_topics(vec![wanted]).await.unwrap();

    let (beats, beaten) = mpsc::channel();
    let (delivered, came) = mpsc::channel();
    let (let_go, held) = mpsc::channel();
    let holder = Holder { beats, delivered, let_go: Mutex::new(held) };
    let request = SubscriptionRequest::new(Group::from("beats"), vec![topic.clone()]);
    let subscription = transport.source().subscribe(request, Arc::new(holder)).unwrap();
    for _ in 0..3 {
        beaten.recv_timeout(PATIENCE).expect("it beats while nothing comes");
    }

    let store = transport.settlement();
    let feed = store.acquire(Group::from("feed"), Partition(0), Vec::new()).await.unwrap().owner;
    let record = Outgoing {
        topic,
        timestamp: Timestamp(1),
        key: None,
        value: Some("one".into()),
        headers: Headers::default(),
    };
    store.settle(Settlement { outputs: vec![record], ..Settlement::empty(feed) }).await.unwrap();
    came.recv_timeout(PATIENCE).expect("it is delivered");
    beaten.try_iter().for_each(drop);
    beaten.recv_timeout(SILENCE).expect_err("its thread is held");

    let_go.send(()).unwrap();
    beaten.recv_timeout(PATIENCE).expect("it turns again");
    subscription.close().await;
    transport.close().await;
}
