//! What every check stands on: a fresh transport, and the few steps that all of them need.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use pandaflow::{
    Group, Headers, Outgoing, Partition, Record, Timestamp, TopicName,
    policy::watermark::Progress,
    ports::{
        Acquired, Owner, Settlement, SettlementStore, StoreError, SubscriptionRequest, TopicToCreate,
        Transport, Unsettled,
    },
};

use super::{Limits, Member, Subject, Task};

/// How long a check waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A transport under test.
pub struct Stage {
    subject: Box<dyn Subject>,
}

impl Stage {
    /// A stage on a transport, which need not be empty.
    #[must_use]
    pub fn of(subject: impl Subject) -> Self {
        Self { subject: Box::new(subject) }
    }

    /// The transport.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn Transport> {
        self.subject.transport()
    }

    /// What the transport can hold.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.subject.limits()
    }

    /// The store that settles.
    #[must_use]
    pub fn settlements(&self) -> Arc<dyn SettlementStore> {
        self.transport().settlement()
    }

    /// Makes a topic with as many partitions.
    pub async fn topic(&self, name: &str, partitions: u32) -> TopicName {
        self.create(name, partitions, false).await
    }

    /// Makes a topic to look values up in.
    pub async fn table(&self, name: &str, partitions: u32) -> TopicName {
        self.create(name, partitions, true).await
    }

    async fn create(&self, name: &str, partitions: u32, table: bool) -> TopicName {
        let topic = TopicName::new(name);
        let retention = Duration::from_secs(7 * 24 * 3600);
        let wanted = TopicToCreate { topic: topic.clone(), partitions, retention, table };
        within(self.transport().create_topics(vec![wanted])).await.expect("a topic can be made");
        topic
    }

    /// Becomes the owner of a group's partition.
    pub async fn acquire(&self, group: &str, partition: u32, topics: &[&TopicName]) -> Acquired {
        let topics = topics.iter().map(|topic| (*topic).clone()).collect();
        within(self.settlements().acquire(group.into(), Partition(partition), topics))
            .await
            .expect("a partition can be acquired")
    }

    /// Settles.
    pub async fn settle(&self, settlement: Settlement) {
        within(self.settlements().settle(settlement)).await.expect("it can be settled");
    }

    /// Settles what can't be settled.
    pub async fn refused(&self, settlement: Settlement) -> Unsettled {
        *within(self.settlements().settle(settlement)).await.expect_err("it must not be settled")
    }

    /// Appends records, as a group of its own.
    pub async fn publish(&self, records: Vec<Outgoing>) {
        let owner = self.acquire("test.producer", 0, &[]).await.owner;
        self.settle(Settlement { outputs: records, ..effects(&owner) }).await;
    }

    /// Appends records with these values, all under one key.
    pub async fn publish_values(&self, topic: &TopicName, values: std::ops::Range<u32>) {
        self.publish(values.map(|value| keyed(topic, "k", &value.to_string())).collect()).await;
    }

    /// Joins a group.
    pub fn subscribe(&self, group: &str, topics: &[&TopicName]) -> Member {
        self.try_subscribe(group, topics).expect("the topics can be subscribed to")
    }

    /// Joins a group, if the transport lets it.
    ///
    /// # Errors
    /// What the source says.
    pub fn try_subscribe(&self, group: &str, topics: &[&TopicName]) -> Result<Member, StoreError> {
        let topics = topics.iter().map(|topic| (*topic).clone()).collect();
        let request = SubscriptionRequest::new(group.into(), topics);
        Member::join(&*self.transport().source(), request)
    }

    /// All records of a topic, by partition and offset: exactly as many.
    pub async fn read(&self, topic: &TopicName, records: usize) -> Vec<Record> {
        let found = self.read_all(topic).await;
        assert_eq!(found.len(), records, "records in {topic}");
        found
    }

    /// All records of a topic that there are now, by partition and offset.
    pub async fn read_all(&self, topic: &TopicName) -> Vec<Record> {
        let group = format!("test.reader-{}", uuid::Uuid::now_v7());
        let mut member = self.subscribe(&group, &[topic]);
        let lags = self.lag(&group).await;
        let mut found = if self.limits().dense_offsets {
            let there: u64 = lags.iter().map(|lag| lag.end.0).sum();
            let records = usize::try_from(there).expect("it fits into memory");
            for task in member.assigned(lags.len()).await {
                task.request(records);
            }
            member.records(records).await
        } else {
            let tasks = member.assigned(lags.len()).await;
            self.read_until_not_behind(topic, &group, &mut member, &tasks).await
        };
        found.extend(member.finish().await);
        found.sort_by_key(|record| (record.partition, record.offset));
        found
    }

    /// Reads, and settles what was read, until nothing is left: where offsets have gaps they don't tell how many records
    /// there are.
    async fn read_until_not_behind(
        &self,
        topic: &TopicName,
        group: &str,
        member: &mut Member,
        tasks: &[Task],
    ) -> Vec<Record> {
        let mut found = Vec::new();
        for task in tasks {
            task.request(usize::MAX >> 1);
        }
        let all_read = async {
            while self.lag(group).await.iter().any(|lag| lag.records() > 0) {
                while let Some(batch) = member.next_now() {
                    let task = tasks.iter().find(|task| task.partition() == batch.partition);
                    let (task, last) = (task.expect("it is assigned"), batch.records.last());
                    let next = last.expect("a delivery has records").offset.next();
                    found.extend(batch.records);
                    let progress = vec![(topic.clone(), Progress::at(next))];
                    self.settle(Settlement { progress, ..task.effects() }).await;
                }
                tokio::task::yield_now().await;
            }
        };
        within(all_read).await;
        found
    }

    /// The lag of one group.
    pub async fn lag(&self, group: &str) -> Vec<pandaflow::ports::Lag> {
        let mut lags = within(self.transport().lag(vec![group.into()])).await.expect("the lag can be told");
        lags.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
        lags
    }

    /// The state of a key.
    pub async fn state(&self, group: &str, partition: u32, key: &str) -> Option<Bytes> {
        let keys = vec![Bytes::copy_from_slice(key.as_bytes())];
        let load = self.transport().states().load(group.into(), Partition(partition), keys);
        within(load).await.expect("states can be loaded").pop().expect("one state a key")
    }

    /// The states of a group.
    pub async fn scan(&self, group: &str) -> Vec<(Bytes, Bytes)> {
        within(self.transport().states().scan(Group::from(group))).await.expect("states can be listed")
    }

    /// Closes the transport and opens the same data again; `false` if it keeps nothing.
    pub async fn reopen(&mut self) -> bool {
        within(self.transport().close()).await;
        self.subject.reopen()
    }
}

/// Nothing yet of what an owner may settle.
#[must_use]
pub fn effects(owner: &Owner) -> Settlement {
    Settlement::empty(owner.clone())
}

/// A record under a key.
#[must_use]
pub fn keyed(topic: &TopicName, key: &str, value: &str) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        timestamp: Timestamp(1_381_152_600_000),
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Headers::default(),
    }
}

/// The progress written so.
pub(super) fn progress(text: &str) -> Progress {
    text.parse().expect("the check writes a progress")
}

/// The values of records, as text.
pub(super) fn values(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into();
    records.iter().map(text).collect()
}

/// The numbers of a range, as text.
pub(super) fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Waits for what must come.
pub(super) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes within half a minute")
}
