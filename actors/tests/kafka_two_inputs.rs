//! A processor of two inputs on a real broker: partition n of both goes to the same member, whoever joins and leaves.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use pandaflow::{
    Epoch, Group, Headers, Offset, Outgoing, Partition, Timestamp, TopicName, partition_of,
    policy::watermark::Progress,
    ports::{
        Assignee, Assignment, Batch, Owner, Settlement, SettlementStore, StoreError, Subscription,
        SubscriptionRequest, TopicToCreate, Transport,
    },
};
use pandaflow_actors::transport::kafka::{GroupProtocol, KafkaConfig, KafkaTransport};
use tokio::sync::watch;

const PARTITIONS: u32 = 6;

/// Settles what it gets at once, and notes it: partition, input and offset.
struct Taker {
    store: Arc<dyn SettlementStore>,
    handle: tokio::runtime::Handle,
    topics: Vec<TopicName>,
    held: Mutex<BTreeMap<Partition, Held>>,
    taken: Taken,
    name: &'static str,
}

type Taken = Arc<watch::Sender<Vec<(&'static str, Partition, usize, u64)>>>;

struct Held {
    owner: Owner,
    next: Vec<Offset>,
    demand: Arc<dyn pandaflow::ports::Demand>,
}

impl Assignee for Taker {
    fn assigned(&self, Assignment { acquired, demand }: Assignment) {
        let next = acquired.progress.iter().map(|(_, progress)| progress.next).collect();
        demand.request(10, 1 << 20);
        let partition = acquired.owner.partition;
        self.held.lock().unwrap().insert(partition, Held { owner: acquired.owner, next, demand });
    }

    fn delivered(&self, batch: Batch) {
        let mut held = self.held.lock().unwrap();
        let Some(held) = held.get_mut(&batch.partition).filter(|held| held.owner.epoch == batch.epoch) else {
            return;
        };
        for record in &batch.records {
            let taken = (self.name, batch.partition, batch.input, record.offset.0);
            self.taken.send_modify(|all| all.push(taken));
            held.next[batch.input] = record.offset.next();
        }
        let progress = self.topics.iter().zip(&held.next);
        let settlement = Settlement {
            progress: progress.map(|(topic, next)| (topic.clone(), Progress::at(*next))).collect(),
            ..Settlement::empty(held.owner.clone())
        };
        let settled = self.store.settle(settlement);
        let (demand, events) = (held.demand.clone(), batch.records.len());
        self.handle.spawn(async move {
            settled.await.unwrap();
            demand.request(events, 1 << 20);
        });
    }

    fn revoked(&self, partition: Partition, _: Epoch, released: Box<dyn Send>) {
        let held = self.held.lock().unwrap().remove(&partition);
        // What is on its way is settled before an empty settlement is.
        let last = held.map(|held| self.store.settle(Settlement::empty(held.owner)));
        self.handle.spawn(async move {
            if let Some(last) = last {
                last.await.unwrap();
            }
            drop(released);
        });
    }

    fn lost(&self, partition: Partition, epoch: Epoch) {
        panic!("{}: partition {partition} of epoch {epoch} was lost", self.name);
    }

    fn failed(&self, error: StoreError) {
        panic!("{error}");
    }
}

fn join(config: &KafkaConfig, topics: &[TopicName], taken: &Taken, name: &'static str) -> Membership {
    let transport = support::transport(config);
    let taker = Taker {
        store: transport.settlement(),
        handle: tokio::runtime::Handle::current(),
        topics: topics.to_vec(),
        held: Mutex::default(),
        taken: taken.clone(),
        name,
    };
    let request = SubscriptionRequest::new(Group::from("pair"), topics.to_vec());
    let subscription = transport.source().subscribe(request, Arc::new(taker)).unwrap();
    Membership { subscription, transport }
}

struct Membership {
    subscription: Arc<dyn Subscription>,
    transport: Arc<KafkaTransport>,
}

impl Membership {
    async fn leave(self) {
        self.subscription.close().await;
        self.transport.close().await;
    }
}

async fn publish(transport: &KafkaTransport, topics: &[TopicName], keys: std::ops::Range<u32>) {
    let store = transport.settlement();
    let owner = store.acquire(Group::from("feed"), Partition(0), Vec::new()).await.unwrap().owner;
    let outputs = keys.flat_map(|key| topics.iter().map(move |topic| (topic, key.to_string())));
    let outputs = outputs.map(|(topic, key)| Outgoing {
        topic: topic.clone(),
        timestamp: Timestamp(1),
        key: Some(key.clone().into()),
        value: Some(key.into()),
        headers: Headers::default(),
    });
    let settlement = Settlement { outputs: outputs.collect(), ..Settlement::empty(owner) };
    store.settle(settlement).await.unwrap();
}

/// Waits until as much has been taken, a minute at most.
async fn until(taken: &Taken, holds: impl Fn(&[(&'static str, Partition, usize, u64)]) -> bool) {
    let mut taken = taken.subscribe();
    let waited = tokio::time::timeout(Duration::from_secs(60), taken.wait_for(|taken| holds(taken)));
    drop(waited.await.expect("it comes within a minute").unwrap());
}

async fn both_inputs_of_a_partition_stay_together(protocol: GroupProtocol) {
    let Some(broker) = support::broker() else { return };
    let config = KafkaConfig { protocol, ..support::config(&broker) };
    let transport = support::transport(&config);
    let topics = [TopicName::new("paper.a"), TopicName::new("paper.b")];
    let wanted = topics.clone().map(|topic| TopicToCreate {
        topic,
        partitions: PARTITIONS,
        retention: Duration::from_secs(3600),
        table: false,
    });
    transport.create_topics(wanted.to_vec()).await.unwrap();
    let taken: Taken = Arc::new(watch::Sender::new(Vec::new()));
    let one = join(&config, &topics, &taken, "one");
    publish(&transport, &topics, 0..600).await;
    let has_some = |name: &str| taken.borrow().iter().any(|(taker, ..)| *taker == name);
    until(&taken, |taken| !taken.is_empty()).await;
    let other = join(&config, &topics, &taken, "other");
    let mut published = 600;
    support::eventually(async || {
        publish(&transport, &topics, published..published + 60).await;
        published += 60;
        has_some("other").then_some(())
    })
    .await;
    publish(&transport, &topics, published..published + 300).await;
    one.leave().await;
    publish(&transport, &topics, published + 300..published + 600).await;
    published += 600;
    let all = published as usize * 2;
    until(&taken, |taken| taken.len() >= all).await;
    other.leave().await;

    let taken = taken.borrow();
    assert_eq!(taken.len(), all, "some were taken twice");
    let mut next: BTreeMap<(Partition, usize), u64> = BTreeMap::new();
    for (_, partition, input, offset) in taken.iter() {
        let next = next.entry((*partition, *input)).or_default();
        assert_eq!(*offset, *next, "input {input} of partition {partition}");
        *next += 1;
    }
    let lie_in = |n: u32| {
        let here = |key: &u32| partition_of(Some(key.to_string().as_bytes()), PARTITIONS).0 == n;
        (0..published).filter(here).count() as u64
    };
    assert!(next.iter().all(|((partition, _), next)| *next == lie_in(partition.0)));
    assert_eq!(next.len(), PARTITIONS as usize * 2);
}

#[tokio::test]
async fn both_inputs_of_a_partition_stay_together_classic() {
    both_inputs_of_a_partition_stay_together(GroupProtocol::Classic).await;
}

#[tokio::test]
async fn both_inputs_of_a_partition_stay_together_consumer() {
    both_inputs_of_a_partition_stay_together(GroupProtocol::Consumer).await;
}
