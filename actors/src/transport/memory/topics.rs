//! The topics: made once, never removed.

use std::sync::Arc;

use hashbrown::HashMap;
use pandaflow::{
    Offset, Outgoing, Partition, TopicName, partition_of,
    ports::{StoreError, TopicToCreate},
};

use super::{
    STORE,
    lock::Shared,
    log::{Log, Wake},
};

#[derive(Default)]
pub(super) struct Topics(Shared<HashMap<TopicName, Arc<Topic>>>);

/// One topic: a log per partition.
pub(super) struct Topic {
    pub(super) logs: Box<[Arc<Log>]>,
}

impl Topics {
    /// Makes the topics that are not there; those that are stay as they are.
    pub(super) fn create(&self, topics: Vec<TopicToCreate>) -> Result<(), StoreError> {
        if let Some(empty) = topics.iter().find(|topic| topic.partitions == 0) {
            let message = format!("topic {} needs at least 1 partition, not 0", empty.topic);
            return Err(StoreError { store: STORE, message });
        }
        let mut known = self.0.write();
        for new in topics {
            let topic = known
                .entry(new.topic.clone())
                .or_insert_with(|| Arc::new(Topic::new(&new.topic, new.partitions)));
            if new.table {
                topic.keep_latest();
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, topic: &TopicName) -> Result<Arc<Topic>, StoreError> {
        self.0.read().get(topic).cloned().ok_or_else(|| missing(topic))
    }

    /// Appends all records, each to the partition of its key, or none of them if a topic is missing.
    pub(super) fn append(&self, records: Vec<Outgoing>, wake: &mut Wake) -> Result<(), StoreError> {
        self.check(&records)?;
        let topics = self.0.read();
        let mut last: Option<(TopicName, &Topic)> = None;
        for record in records {
            let topic = match &last {
                Some((name, topic)) if *name == record.topic => topic,
                _ => {
                    let topic = topics.get(&record.topic).ok_or_else(|| missing(&record.topic))?;
                    last.insert((record.topic.clone(), topic)).1
                }
            };
            topic.append(record, wake);
        }
        Ok(())
    }

    /// Whether every record's topic is there. It stays true: topics are never removed.
    pub(super) fn check(&self, records: &[Outgoing]) -> Result<(), StoreError> {
        let topics = self.0.read();
        let mut last: Option<&TopicName> = None;
        for record in records {
            if last != Some(&record.topic) {
                topics.get(&record.topic).ok_or_else(|| missing(&record.topic))?;
                last = Some(&record.topic);
            }
        }
        Ok(())
    }
}

impl Topic {
    fn new(name: &TopicName, partitions: u32) -> Self {
        Self { logs: (0..partitions).map(|number| Arc::new(Log::new(name, Partition(number)))).collect() }
    }

    pub(super) fn partitions(&self) -> u32 {
        u32::try_from(self.logs.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn log(&self, partition: Partition) -> Option<&Arc<Log>> {
        self.logs.get(usize::try_from(partition.0).ok()?)
    }

    fn append(&self, record: Outgoing, wake: &mut Wake) -> Option<Offset> {
        let partition = partition_of(record.key.as_deref(), self.partitions());
        Some(self.log(partition)?.append(record, wake))
    }

    pub(super) fn keep_latest(&self) {
        for log in &self.logs {
            log.keep_latest();
        }
    }
}

fn missing(topic: &TopicName) -> StoreError {
    StoreError { store: STORE, message: format!("there is no topic {topic}: create it first") }
}
