//! The relay that publishes what settlements in a database have put into its outbox: each record once, whoever dies or comes late
//! in between. On real servers.
#![cfg(all(feature = "kafka", feature = "postgres"))]

#[path = "kafka_outbox/faulty.rs"]
mod faulty;
#[path = "postgres_support/mod.rs"]
mod postgres;
#[path = "kafka_support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use diesel_async::SimpleAsyncConnection;
use pandaflow::{
    Epoch, Group, Headers, Outgoing, Partition, Timestamp, TopicName,
    ports::{Owner, Settlement, TopicToCreate, Transport},
};
use pandaflow_actors::transport::{
    kafka::{KafkaConfig, KafkaTransport},
    settlement_database::{Acquisition, SettlementDatabase},
};

use self::{
    faulty::{Fault, Faulty},
    postgres::Schema,
    support::eventually,
};

/// Ends the session that leads.
const END_LEADER: &str = "\
    SELECT pg_terminate_backend(pid) FROM pg_locks,
        (SELECT hashtextextended('pandaflow_outbox of ' || current_schema(), 482670535777) AS key) AS ours
    WHERE locktype = 'advisory' AND granted
        AND classid::bigint = (key >> 32) & 4294967295 AND objid::bigint = key & 4294967295";

struct Stand {
    config: KafkaConfig,
    schema: Schema,
    /// Where owners settle: relays publish by way of others.
    settling: Arc<dyn SettlementDatabase>,
    topic: TopicName,
}

impl Stand {
    fn open() -> Option<Self> {
        let (broker, server) = (support::broker()?, postgres::server()?);
        let (config, schema) = (support::config(&broker), Schema::make(&server));
        let settling = schema.store().settlements();
        Some(Self { config, schema, settling, topic: TopicName::new("paper.out") })
    }

    async fn make_topic(&self) {
        let topic = TopicToCreate {
            topic: self.topic.clone(),
            partitions: 2,
            retention: Duration::from_secs(3600),
            table: false,
        };
        let made = support::transport(&self.config).create_topics(vec![topic]).await;
        made.expect("a topic can be made");
    }

    fn database(&self) -> Arc<dyn SettlementDatabase> {
        self.schema.store().settlements()
    }

    /// What another process has.
    fn process(&self, database: Arc<dyn SettlementDatabase>) -> Arc<KafkaTransport> {
        support::transport(&KafkaConfig { settle_in: Some(database), ..self.config.clone() })
    }

    fn record(&self, number: u64) -> Outgoing {
        Outgoing {
            topic: self.topic.clone(),
            timestamp: Timestamp(7),
            key: Some(Bytes::from(format!("key {}", number % 5))),
            value: Some(Bytes::from(number.to_string())),
            headers: Headers::default(),
        }
    }

    /// Settles so that these records wait, a few in each settlement.
    async fn settle(&self, owner: &Owner, numbers: std::ops::Range<u64>) {
        let numbers: Vec<u64> = numbers.collect();
        for some in numbers.chunks(7) {
            let outputs = some.iter().map(|number| self.record(*number)).collect();
            let settlement = Settlement { outputs, ..Settlement::empty(owner.clone()) };
            self.settling.settle(vec![settlement]).await.expect("it can be settled");
        }
    }

    async fn owner(&self) -> Owner {
        let (group, partition) = (Group::from("g"), Partition(0));
        let acquisition = Acquisition { group, partition, topics: Vec::new(), at_least: Epoch(1) };
        self.settling.acquire(acquisition).await.expect("it can be acquired").acquired.owner
    }

    async fn nothing_waits(&self) {
        eventually(async || {
            let waiting = self.settling.outbox().waiting().await.expect("it can be counted");
            waiting.is_empty().then_some(())
        })
        .await;
    }

    /// What whoever reads the topic sees of it, sorted.
    async fn published(&self) -> Vec<u64> {
        let reader = support::transport(&self.config);
        let read = support::read_all(&reader, self.topic.as_str()).await;
        let number = |value: &Option<Bytes>| {
            let value = value.as_deref().and_then(|value| std::str::from_utf8(value).ok());
            value.and_then(|value| value.parse().ok()).expect("it is a number")
        };
        let mut numbers: Vec<u64> = read.iter().map(|delivery| number(&delivery.value)).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn run<F: Future<Output = ()>>(check: impl FnOnce(Stand) -> F) {
    let Some(stand) = Stand::open() else { return };
    postgres::runtime().block_on(async {
        stand.make_topic().await;
        check(stand).await;
    });
}

/// The database is lost between the confirmation and the end of the records in the outbox, and with it whoever has published them.
#[test]
fn what_is_published_and_still_lies_in_the_outbox_is_not_published_again() {
    run(async |stand| {
        let (forgetful, mut seen) = Faulty::new(stand.database(), Fault::EndsNothing);
        let first = stand.process(forgetful);
        let owner = stand.owner().await;
        stand.settle(&owner, 0..100).await;
        while seen.recv().await.expect("it lives") != faulty::Seen::HasPublished {}
        first.close().await;

        stand.settle(&owner, 100..150).await;
        let second = stand.process(stand.database());
        stand.nothing_waits().await;
        assert_eq!(stand.published().await, (0..150).collect::<Vec<_>>());
        second.close().await;
    });
}

/// A process stands still with what it is about to publish in its hands, and goes on when another has published it.
#[test]
fn who_comes_late_publishes_nothing() {
    run(async |stand| {
        let (late, mut seen) = Faulty::new(stand.database(), Fault::StandsStillWithTheFirst);
        let first = stand.process(Arc::clone(&late) as _);
        let owner = stand.owner().await;
        stand.settle(&owner, 0..60).await;
        while seen.recv().await.expect("it lives") != faulty::Seen::HasRead {}

        let second = stand.process(stand.database());
        let mut connection = postgres::connect(&stand.schema.url()).await;
        connection.batch_execute(END_LEADER).await.expect("a session can be ended");
        stand.nothing_waits().await;
        late.go_on();
        // With a new session it is over with the old one.
        while seen.recv().await.expect("it lives") != faulty::Seen::Opened {}
        stand.settle(&owner, 60..90).await;
        stand.nothing_waits().await;
        assert_eq!(stand.published().await, (0..90).collect::<Vec<_>>());
        first.close().await;
        second.close().await;
    });
}
