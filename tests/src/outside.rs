//! Whoever else is at the broker: writes and reads topics beside the program under test, and looks at its groups.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pandaflow::{
    Group, Outgoing, Partition, SystemClock, TopicName,
    policy::ledger::Ledger,
    ports::{Owner, SettleErrorKind, Settlement, TopicToCreate, Transport},
    settings::Settings,
};
use pandaflow_actors::{
    broker::admin_config,
    transport::{
        kafka::{KafkaConfig, KafkaTransport},
        memory::MemoryTransport,
    },
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};

use crate::{found::Found, running::PATIENCE};

/// A client beside the program, by the same settings.
pub struct Outside {
    transport: Arc<KafkaTransport>,
    settings: Settings,
    feed: Owner,
}

impl Outside {
    /// Reaches the broker.
    ///
    /// # Panics
    /// If it can't.
    pub async fn reach(settings: &Settings) -> Self {
        let ids = MemoryTransport::new(Arc::new(SystemClock)).dedup();
        let config = KafkaConfig::by(settings, ids).expect("the settings are sound");
        let transport = Arc::new(KafkaTransport::new(config).expect("clients can be made"));
        let acquired = transport.settlement().acquire(Group::from("feed"), Partition(0), Vec::new()).await;
        let feed = acquired.expect("the broker is up").owner;
        Self { transport, settings: settings.clone(), feed }
    }

    /// Makes a topic.
    ///
    /// # Panics
    /// If the broker doesn't.
    pub async fn make(&self, topic: &str, partitions: u32) {
        let retention = Duration::from_secs(3600);
        let topic = TopicToCreate { topic: TopicName::new(topic), partitions, retention, table: false };
        self.transport.create_topics(vec![topic]).await.expect("a topic can be made");
    }

    /// Appends records.
    ///
    /// # Panics
    /// If they can't be.
    pub async fn publish(&self, outputs: Vec<Outgoing>) {
        let mut settlement = Settlement { outputs, ..Settlement::empty(self.feed.clone()) };
        while let Err(unsettled) = self.transport.settlement().settle(settlement).await {
            assert_eq!(unsettled.error.kind, SettleErrorKind::Retry, "{}", unsettled.error);
            settlement = unsettled.settlement;
        }
    }

    /// Waits until a group has settled so many events, and gives its ledger.
    ///
    /// # Panics
    /// If it doesn't come to that.
    pub async fn settled(&self, group: &str, events: u64) -> Ledger {
        let begun = Instant::now();
        loop {
            let group = Group::from(group);
            let lags = self.transport.lag(vec![group.clone()]).await;
            let next: u64 = lags.iter().flatten().map(|lag| lag.next.0).sum();
            if next >= events {
                let ledgers = self.transport.ledgers(vec![group]).await.expect("the broker tells");
                return ledgers[0].1;
            }
            assert!(begun.elapsed() < PATIENCE, "{group} has settled {next} of {events}: {lags:?}");
            tokio::task::yield_now().await;
        }
    }

    /// The transport, to look into state and dead letters.
    #[must_use]
    pub fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// All records of a topic, by partition and offset. The name is the broker's, KAFKA__PREFIX included.
    ///
    /// # Panics
    /// If the broker doesn't give them.
    #[must_use]
    pub fn read(&self, topic: &str) -> Vec<Found> {
        let mut config = admin_config(&self.settings).expect("the settings are sound");
        config.set("group.id", "outside").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().expect("a client can be made");
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
        let mut list = TopicPartitionList::new();
        let mut records = 0;
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let bounds = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).expect("it answers");
            records += usize::try_from(bounds.1 - bounds.0).expect("it fits");
            list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("it is an offset");
        }
        consumer.assign(&list).expect("partitions can be read");
        let mut found = Vec::new();
        let begun = Instant::now();
        while found.len() < records {
            assert!(begun.elapsed() < PATIENCE, "{} of {records} records of {topic}", found.len());
            let Some(message) = consumer.poll(Duration::from_secs(1)) else { continue };
            found.push(message.map(|message| found_in(&message)).expect("it can be read"));
        }
        found.sort_by_key(|record| record.partition);
        found
    }
}

fn found_in(message: &rdkafka::message::BorrowedMessage<'_>) -> Found {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Found {
        partition: message.partition(),
        timestamp: message.timestamp().to_millis().unwrap_or_default(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect(),
    }
}
