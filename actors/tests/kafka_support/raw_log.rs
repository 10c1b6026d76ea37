//! A topic as another client reads and writes it.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::{collections::BTreeSet, time::Duration};

use rdkafka::{
    ClientConfig, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::OwnedMessage,
    producer::{BaseProducer, BaseRecord, Producer},
    topic_partition_list::Offset,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn config(broker: &str, isolation: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("group.id", "raw").set("enable.auto.commit", "false");
    config.set("isolation.level", isolation).set("enable.partition.eof", "true");
    config
}

fn ends(broker: &str, isolation: &str, topic: &str, partitions: i32) -> Vec<i64> {
    let consumer: BaseConsumer = config(broker, isolation).create().expect("a consumer can be made");
    let end =
        |partition| consumer.fetch_watermarks(topic, partition, PATIENCE).expect("the broker answers").1;
    (0..partitions).map(end).collect()
}

/// Offsets up to the ends, over all partitions: records, aborted ones, and ends of transactions.
pub(crate) fn offsets(broker: &str, topic: &str, partitions: i32) -> i64 {
    ends(broker, "read_uncommitted", topic, partitions).iter().sum()
}

/// All records of a topic that are committed, once every transaction there has ended.
pub(crate) fn read_committed(broker: &str, topic: &str, partitions: i32) -> Vec<OwnedMessage> {
    let wanted = ends(broker, "read_uncommitted", topic, partitions);
    while ends(broker, "read_committed", topic, partitions)
        .iter()
        .zip(&wanted)
        .any(|(end, wanted)| end < wanted)
    {
        std::thread::yield_now();
    }
    read(broker, "read_committed", topic, partitions)
}

/// All records of a topic, committed or not.
pub(crate) fn read_uncommitted(broker: &str, topic: &str, partitions: i32) -> Vec<OwnedMessage> {
    read(broker, "read_uncommitted", topic, partitions)
}

fn read(broker: &str, isolation: &str, topic: &str, partitions: i32) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = config(broker, isolation).create().expect("a consumer can be made");
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .expect("it can be read from its beginning");
    }
    consumer.assign(&list).expect("it can be assigned");
    let (mut left, mut found): (BTreeSet<i32>, _) = ((0..partitions).collect(), Vec::new());
    while !left.is_empty() {
        match consumer.poll(PATIENCE).expect("the end comes") {
            Ok(message) => found.push(message.detach()),
            Err(KafkaError::PartitionEOF(partition)) => drop(left.remove(&partition)),
            Err(error) => panic!("{error}"),
        }
    }
    found
}

/// Makes a topic with this property.
pub(crate) async fn create(broker: &str, topic: &str, property: (&str, &str)) {
    let admin: AdminClient<DefaultClientContext> =
        config(broker, "read_committed").create().expect("a client can be made");
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set(property.0, property.1);
    let made = admin.create_topics([&new], &AdminOptions::new()).await.expect("the broker answers");
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

/// A producer of somebody else, in the middle of a transaction.
pub(crate) struct OpenTransaction(BaseProducer);

impl OpenTransaction {
    /// Writes records to partition 0 in a transaction, and leaves it open.
    pub(crate) fn begin(broker: &str, topic: &str, records: &[(&str, &str)]) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker).set("transactional.id", format!("{topic}.raw"));
        let producer: BaseProducer = config.create().expect("a producer can be made");
        producer.init_transactions(PATIENCE).expect("the broker answers");
        producer.begin_transaction().expect("there is none yet");
        for (key, value) in records {
            let record = BaseRecord::to(topic).partition(0).key(*key).payload(*value);
            producer.send(record).map_err(|(error, _)| error).expect("it can be sent");
        }
        producer.flush(PATIENCE).expect("the broker has all of it");
        Self(producer)
    }

    pub(crate) fn commit(self) {
        self.0.commit_transaction(PATIENCE).expect("it can be committed");
    }

    pub(crate) fn abort(self) {
        self.0.abort_transaction(PATIENCE).expect("it can be aborted");
    }
}
