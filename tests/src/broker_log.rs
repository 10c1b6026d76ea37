//! What lies on a broker, read record by record by a plain client, without any of the code under test.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Headers,
    topic_partition_list::Offset,
};

use super::commit::Commit;

/// The topic that a broker keeps the commits of all groups in.
const COMMITS: &str = "__consumer_offsets";
/// How long a broker may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// A broker.
#[derive(Debug, Clone)]
pub struct BrokerLog {
    address: String,
}

/// A record as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its partition.
    pub partition: i32,
    /// Its place in it.
    pub offset: i64,
    /// Its time, in milliseconds since 1970.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Written {
    /// The value of the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..])
    }

    /// The field `id` of its envelope.
    ///
    /// # Panics
    /// If it is no envelope.
    #[must_use]
    pub fn id(&self) -> String {
        let value = self.value.as_deref().expect("an event is no tombstone");
        let envelope: serde_json::Value = serde_json::from_slice(value).expect("an envelope is JSON");
        envelope["id"].as_str().expect("an envelope has an id").to_owned()
    }
}

impl BrokerLog {
    /// At an address, such as `127.0.0.1:9092`.
    #[must_use]
    pub fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// All records of a topic that there are now, by partition and offset.
    ///
    /// # Panics
    /// If the broker doesn't answer within half a minute.
    #[must_use]
    pub fn read(&self, topic: &str) -> Vec<Written> {
        let mut records = Vec::new();
        self.each(topic, |record| records.push(record));
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// All commits of groups whose names begin so, in the order in which the broker took those of each group.
    ///
    /// # Panics
    /// If the broker doesn't answer within half a minute.
    #[must_use]
    pub fn commits(&self, prefix: &str) -> Vec<Commit> {
        // A group's commits lie in one partition.
        let records = self.read(COMMITS);
        let commits = records.iter().filter_map(Commit::read);
        commits.filter(|commit| commit.group.starts_with(prefix)).collect()
    }

    /// Records of these topics that a group has not committed. The ends of transactions, which take offsets, are none.
    ///
    /// # Panics
    /// If the broker doesn't answer within half a minute.
    #[must_use]
    pub fn behind(&self, group: &str, topics: &[String]) -> i64 {
        let consumer = self.consumer(group);
        let mut behind = 0;
        for topic in topics {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(topic, 0, self.partitions(&consumer, topic) - 1);
            let next = consumer.committed_offsets(list, PATIENCE).expect("commits can be read");
            for partition in 0..i32::try_from(next.count()).expect("a topic has few partitions") {
                let mut next = next.find_partition(topic, partition).expect("all were asked for");
                if next.offset() == Offset::Invalid {
                    next.set_offset(Offset::Beginning).expect("a beginning is an offset");
                }
            }
            each_from(&consumer, &next, |_| behind += 1);
        }
        behind
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.address)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .create()
            .expect("a consumer can be made")
    }

    fn partitions(&self, consumer: &BaseConsumer, topic: &str) -> i32 {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("topics can be asked");
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        i32::try_from(partitions).expect("a topic has few partitions")
    }

    /// Calls `each` for all records of a topic that there are now, those of a partition by offset.
    ///
    /// # Panics
    /// If the broker doesn't answer within half a minute.
    pub fn each(&self, topic: &str, each: impl FnMut(Written)) {
        let consumer = self.consumer("tests.reader");
        let partitions = self.partitions(&consumer, topic);
        assert!(partitions > 0, "{topic} is not there");
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).expect("a beginning is an offset");
        }
        each_from(&consumer, &list, each);
    }
}

/// Calls `each` for the records that there are now from these offsets of one topic on.
fn each_from(consumer: &BaseConsumer, list: &TopicPartitionList, mut each: impl FnMut(Written)) {
    consumer.assign(list).expect("partitions can be assigned");
    let partitions = list.elements().into_iter().map(|place| place.partition());
    let (mut open, mut heard) = (partitions.collect::<BTreeSet<i32>>(), Instant::now());
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                each(written(&message));
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(open.remove(&partition)),
            // The client goes on by itself.
            Some(Err(_)) | None => {}
        }
        assert!(heard.elapsed() < PATIENCE, "nothing comes from {list:?}");
    }
}

fn written(message: &impl Message) -> Written {
    let headers = message.headers().map(|headers| {
        let each = headers.iter();
        each.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
    });
    Written {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
