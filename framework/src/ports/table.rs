//! Tables: the latest record per key of a topic.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{Record, TopicName, ports::StoreError};

/// The latest record per key of one topic, as far as it has been followed.
pub trait TableView: Send + Sync {
    /// The latest record under a key. A tombstone is a record without a value.
    fn latest(&self, key: &[u8]) -> Option<Record>;
}

/// Opens tables.
pub trait TableSource: Send + Sync {
    /// Follows a topic. Resolves when all that it holds now can be looked up.
    fn open(&self, topic: TopicName) -> BoxFuture<'static, Result<Arc<dyn TableView>, StoreError>>;
}
