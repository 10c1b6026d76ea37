//! What an administrator of the broker does, or somebody else with a client of their own.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::time::Duration;

use rdkafka::{
    ClientConfig, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

/// An administrator of topics whose names begin with a prefix.
pub(crate) struct Admin {
    config: ClientConfig,
    client: AdminClient<DefaultClientContext>,
    prefix: String,
}

impl Admin {
    pub(crate) fn new(broker: &str, prefix: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker);
        Self { client: config.create().unwrap(), config, prefix: prefix.into() }
    }

    fn options() -> AdminOptions {
        AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)))
    }

    fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    /// Makes a topic with these settings.
    pub(crate) async fn make(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let name = self.name(topic);
        let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        // One that is being deleted is there for a moment longer.
        super::support::eventually(async || {
            match self.client.create_topics([&new], &Self::options()).await.unwrap().remove(0) {
                Ok(_) => Some(()),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => None,
                Err((name, error)) => panic!("{name}: {error}"),
            }
        })
        .await;
        super::support::eventually(async || {
            let metadata = self.client.inner().fetch_metadata(Some(&name), Duration::from_secs(5)).ok()?;
            let partitions = metadata.topics().first()?.partitions();
            (!partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0))
                .then_some(())
        })
        .await;
    }

    /// Waits until a group has as many members, and all of them their partitions.
    pub(crate) async fn settled_group(&self, group: &str, members: usize) {
        let name = self.name(group);
        super::support::eventually(async || {
            let list = self.client.inner().fetch_group_list(Some(&name), Duration::from_secs(5)).ok()?;
            let group = list.groups().first()?;
            (group.state() == "Stable" && group.members().len() == members).then_some(())
        })
        .await;
    }

    /// How many members a group has now.
    pub(crate) fn members(&self, group: &str) -> usize {
        let list = self.client.inner().fetch_group_list(Some(&self.name(group)), Duration::from_secs(5));
        list.unwrap().groups().first().map_or(0, |group| group.members().len())
    }

    pub(crate) async fn delete(&self, topic: &str) {
        let name = self.name(topic);
        self.client.delete_topics(&[&name], &Self::options()).await.unwrap().remove(0).unwrap();
    }

    pub(crate) async fn make_anew(&self, topic: &str, partitions: i32) {
        self.delete(topic).await;
        self.make(topic, partitions, &[]).await;
    }

    pub(crate) async fn grow(&self, topic: &str, partitions: usize) {
        let name = self.name(topic);
        let more = NewPartitions::new(&name, partitions);
        self.client.create_partitions([&more], &Self::options()).await.unwrap().remove(0).unwrap();
    }

    /// As retention does: what lies before an offset of the first partition is gone.
    pub(crate) async fn delete_records(&self, topic: &str, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name(topic), 0, rdkafka::Offset::Offset(before)).unwrap();
        self.client.delete_records(&list, &Self::options()).await.unwrap();
    }

    /// Writes a record of a changelog's first partition as an owner of this epoch does.
    pub(crate) async fn write_state(&self, changelog: &str, key: &[u8], value: &[u8], epoch: u64) {
        let (mut header, mut left) = (vec![1], epoch);
        while left >= 0x80 {
            header.push(left as u8 | 0x80);
            left >>= 7;
        }
        header.push(left as u8);
        let producer: FutureProducer = self.config.create().unwrap();
        let (name, key) = (self.name(changelog), [b"s", key].concat());
        let headers = OwnedHeaders::new().insert(Header { key: "pandaflow-applied", value: Some(&header) });
        let record = FutureRecord::to(&name).partition(0).key(&key).payload(value).headers(headers);
        producer.send(record, Duration::from_secs(10)).await.unwrap();
    }
}
