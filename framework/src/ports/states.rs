//! State per key: read here, written by settlements.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{Group, Partition, ports::StoreError};

/// Reads the state of keys.
pub trait StateStore: Send + Sync {
    /// The stored state of each key, in the order of `keys`; `None` where there is none.
    fn load(
        &self,
        group: Group,
        partition: Partition,
        keys: Vec<Bytes>,
    ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, StoreError>>;

    /// All keys of a group with their state, ascending by key, for reports.
    fn scan(&self, group: Group) -> BoxFuture<'static, Result<Vec<(Bytes, Bytes)>, StoreError>>;
}
