//! Tables: each log keeps the latest record per key once its topic is opened as one.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use pandaflow::{
    Record, TopicName, partition_of,
    ports::{StoreError, TableSource, TableView},
};

use super::{
    core::{Core, ready},
    topics::Topic,
};

/// [`TableSource`] in memory.
pub(super) struct MemoryTables(pub(super) Arc<Core>);

impl TableSource for MemoryTables {
    fn open(&self, topic: TopicName) -> BoxFuture<'static, Result<Arc<dyn TableView>, StoreError>> {
        ready(self.0.topics.get(&topic).map(|topic| {
            topic.keep_latest();
            Arc::new(MemoryTable(topic)) as Arc<dyn TableView>
        }))
    }
}

struct MemoryTable(Arc<Topic>);

impl TableView for MemoryTable {
    fn latest(&self, key: &[u8]) -> Option<Record> {
        let home = partition_of(Some(key), self.0.partitions());
        let found = self.0.log(home).and_then(|log| log.latest(key));
        // Whoever writes with a partitioner of their own has it elsewhere.
        found.or_else(|| self.0.logs.iter().find_map(|log| log.latest(key)))
    }
}
