//! What a test looks at, and how it puts records in by hand.

use bytes::Bytes;
use pandaflow::{
    Group, Offset, Outgoing, Partition, Record, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{StoreError, StoredDeadLetter},
};

use super::{MemoryTransport, STORE, log::Wake};

impl MemoryTransport {
    /// Appends records, each to the partition of its key, and delivers them.
    ///
    /// # Errors
    /// A topic is missing; then none is appended.
    pub fn publish(&self, records: Vec<Outgoing>) -> Result<(), StoreError> {
        let mut wake = Wake::default();
        let appended = {
            let _instant = self.core.instant.read();
            self.core.topics.append(records, &mut wake)
        };
        wake.serve();
        appended
    }

    /// Appends a record to a partition of the caller's choice, and delivers it.
    ///
    /// # Errors
    /// The topic is missing, or has no such partition.
    pub fn append_raw(&self, partition: Partition, record: Outgoing) -> Result<Offset, StoreError> {
        let topic = self.core.topics.get(&record.topic)?;
        let Some(log) = topic.log(partition) else {
            let message = format!("topic {} has no partition {partition}", record.topic);
            return Err(StoreError { store: STORE, message });
        };
        let mut wake = Wake::default();
        let offset = {
            let _instant = self.core.instant.read();
            log.append(record, &mut wake)
        };
        wake.serve();
        Ok(offset)
    }

    /// All records of a topic, by partition and offset; none if there is no such topic.
    #[must_use]
    pub fn records(&self, topic: &TopicName) -> Vec<Record> {
        let _instant = self.core.instant.write();
        let topic = self.core.topics.get(topic);
        topic.map(|topic| topic.logs.iter().flat_map(|log| log.records()).collect()).unwrap_or_default()
    }

    /// All dead letters, oldest first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<StoredDeadLetter> {
        self.core.dead_letters.lock().all()
    }

    /// The state of a key.
    #[must_use]
    pub fn state(&self, group: &Group, key: &[u8]) -> Option<Bytes> {
        let holdings = self.core.groups.get(group)?.holdings();
        holdings.iter().find_map(|(_, holding)| holding.lock().states.get(key).cloned())
    }

    /// All keys of a group with their state, ascending by key.
    #[must_use]
    pub fn all_states(&self, group: &Group) -> Vec<(Bytes, Bytes)> {
        self.core.scan(group)
    }

    /// How far a group has come in a partition of a topic; nowhere if it has settled nothing there.
    #[must_use]
    pub fn progress(&self, group: &Group, topic: &TopicName, partition: Partition) -> Progress {
        let holding = self.core.groups.get(group).and_then(|group| group.holding(partition));
        holding.and_then(|holding| holding.lock().progress.get(topic).cloned()).unwrap_or_default()
    }

    /// The settled ledger of a group, over all partitions.
    #[must_use]
    pub fn ledger(&self, group: &Group) -> Ledger {
        let _instant = self.core.instant.write();
        let holdings = self.core.groups.get(group).map(|group| group.holdings()).unwrap_or_default();
        holdings.iter().fold(Ledger::default(), |sum, (_, holding)| sum.plus(&holding.lock().ledger))
    }
}
