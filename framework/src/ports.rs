//! The ports: what the runtime asks of a transport. Memory and embedded implement them, and brokers will.
//!
//! Methods return futures that own what they need, so that a caller may hold many at once. None of them may
//! block the thread that calls it.

mod dead_letters;
mod dedup;
mod parking;
mod settlement;
mod source;
mod states;
mod table;
mod transactions;

pub use dead_letters::{DeadLetterFilter, DeadLetterId, DeadLetterStore, Filing, StoredDeadLetter};
pub use dedup::{Claim, DedupStore, Standing, Verdict};
pub use parking::{ParkChange, ParkedEvent};
pub use settlement::{
    Acquired, Applied, AttemptChange, FailedAttempts, Mark, Owner, SettleError, SettleErrorKind, Settlement,
    SettlementStore, StateChange, Unsettled,
};
pub use source::{Assignee, Assignment, Batch, Demand, Source, Subscription, SubscriptionRequest};
pub use states::StateStore;
pub use table::{TableSource, TableView};
pub use transactions::{Transaction, TransactionError, Transactions};

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{Group, Offset, Partition, TopicName, policy::ledger::Ledger};

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{store}: {message}")]
pub struct StoreError {
    /// Which store, such as `embedded log`.
    pub store: &'static str,
    /// What went wrong and where.
    pub message: String,
}

/// A topic to be there, under its full name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicToCreate {
    /// The full name.
    pub topic: TopicName,
    /// How many partitions.
    pub partitions: u32,
    /// How long a record is kept at least.
    pub retention: std::time::Duration,
    /// Whether the latest record per key is to be looked up.
    pub table: bool,
}

/// Records that were read to bring back state and tables, by where they lay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// In a checkpoint of this machine.
    pub from_checkpoint: u64,
    /// In the log.
    pub from_log: u64,
}

/// How far a group is behind in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// The group.
    pub group: Group,
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: Partition,
    /// The first offset that the group has not settled.
    pub next: Offset,
    /// The offset that the next record will get.
    pub end: Offset,
}

impl Lag {
    /// Records that the group has not settled.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.end.0.saturating_sub(self.next.0)
    }
}

/// One transport with all its ports, as the runtime takes it.
pub trait Transport: Send + Sync + 'static {
    /// Makes the topics that are not there.
    fn create_topics(&self, topics: Vec<TopicToCreate>) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Where events come from.
    fn source(&self) -> Arc<dyn Source>;

    /// Where effects become real.
    fn settlement(&self) -> Arc<dyn SettlementStore>;

    /// State per key.
    fn states(&self) -> Arc<dyn StateStore>;

    /// Ids that were seen.
    fn dedup(&self) -> Arc<dyn DedupStore>;

    /// Events that were given up on.
    fn dead_letters(&self) -> Arc<dyn DeadLetterStore>;

    /// The latest record per key of a topic, kept up to date.
    fn tables(&self) -> Arc<dyn TableSource>;

    /// How far each of `groups` is behind, all as of one instant.
    fn lag(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Lag>, StoreError>>;

    /// The settled ledger of each group, over all partitions; a group that has settled nothing has an empty one.
    fn ledgers(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<(Group, Ledger)>, StoreError>>;

    /// Begins the transactions that handlers take part in; `None`, which is the default, where settlements are not made in a
    /// database of the user's.
    fn transactions(&self) -> Option<Arc<dyn Transactions>> {
        None
    }

    /// Records that are settled and wait to be published; `None`, which is the default, where settled outputs are on their
    /// topics at once.
    fn unpublished(&self) -> BoxFuture<'static, Result<Option<u64>, StoreError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// How many records this process has read to bring back state and tables. None by default: state that lies in a store is read
    /// when it is needed.
    fn restored(&self) -> Restored {
        Restored::default()
    }

    /// Stops what the transport runs in the background, after all that it was given is done.
    fn close(&self) -> BoxFuture<'static, ()>;
}
