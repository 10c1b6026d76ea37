//! A database that settles for a transport without one of its own: effects, progress and state become real there in one
//! transaction, and outputs wait in an outbox until they are published.
//!
//! Kafka takes one ([`KafkaConfig::settle_in`](super::kafka::KafkaConfig)), PostgreSQL is one
//! ([`PostgresStore::settlements`](super::postgres::PostgresStore::settlements)).

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use pandaflow::{
    Epoch, Group, Outgoing, Partition, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{
        Acquired, DeadLetterStore, DedupStore, SettleError, Settlement, StateStore, StoreError, Transaction,
        Transactions,
    },
};
use uuid::Uuid;

/// What a new owner asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquisition {
    /// The group.
    pub group: Group,
    /// The partition.
    pub partition: Partition,
    /// The topics whose progress is asked for.
    pub topics: Vec<TopicName>,
    /// The new epoch is at least this, and above that of every earlier owner.
    pub at_least: Epoch,
}

/// What a new owner gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its epoch, and what was settled before.
    pub acquired: Acquired,
    /// Whether anything was settled here before. If not, the group may have settled elsewhere.
    pub settled_before: bool,
}

/// What a group has settled in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The group.
    pub group: Group,
    /// The partition.
    pub partition: Partition,
    /// Per topic.
    pub progress: Vec<(TopicName, Progress)>,
    /// The ledger.
    pub ledger: Ledger,
}

/// Settles in transactions of its own, or of a handler.
pub trait SettlementDatabase: Send + Sync {
    /// Makes a new owner of a group's partition, fencing the one before.
    fn acquire(&self, acquisition: Acquisition) -> BoxFuture<'static, Result<Found, StoreError>>;

    /// Forgets the events of a topic that have gone into states ([`Acquired::applied`]): its log is another one by now, whose
    /// events have other offsets.
    fn forget_log(
        &self,
        group: Group,
        partition: Partition,
        topic: TopicName,
    ) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Makes settlements of one owner real, in their order, all of them or none. The caller hands an owner's settlements in one
    /// after the other, and those that failed in the same order again; one whose commit had no answer is found to be real then,
    /// and not made twice.
    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'static, Result<(), SettleError>>;

    /// The same for one settlement, within the transaction of its handler, which ends with it. Errors are never of the kind
    /// [`Retry`](pandaflow::ports::SettleErrorKind::Retry).
    fn settle_in(
        &self,
        settlement: Settlement,
        transaction: Box<dyn Transaction>,
    ) -> BoxFuture<'static, Result<(), SettleError>>;

    /// What groups have settled, in every partition of theirs.
    fn settled(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Settled>, StoreError>>;

    /// State per key.
    fn states(&self) -> Arc<dyn StateStore>;

    /// Ids that were seen; settlements mark them in their transaction.
    fn dedup(&self) -> Arc<dyn DedupStore>;

    /// Dead letters, which go with their settlement.
    fn dead_letters(&self) -> Arc<dyn DeadLetterStore>;

    /// Begins the transactions of handlers.
    fn transactions(&self) -> Arc<dyn Transactions>;

    /// Outputs that wait to be published.
    fn outbox(&self) -> Arc<dyn Outbox>;
}

/// Outputs of settlements, until they are published.
pub trait Outbox: Send + Sync {
    /// Opens a session to publish in.
    fn open(&self) -> BoxFuture<'static, Result<Box<dyn OutboxSession>, StoreError>>;

    /// How many records wait, per topic.
    fn waiting(&self) -> BoxFuture<'static, Result<Vec<(TopicName, u64)>, StoreError>>;
}

/// A session that publishes or stands by. After an error it is of no use any more.
pub trait OutboxSession: Send {
    /// What the outbox is called, if it is this session that may publish; unlike every other outbox, also one in tables that
    /// were made anew. The first session that asks may publish, until it is dropped or the database loses sight of it: one that
    /// is not heard of for [`SILENCE`] is ended.
    fn leads(&mut self) -> BoxFuture<'_, Result<Option<Uuid>, StoreError>>;

    /// The records that are next, at most `records` and about `bytes`; none if none wait. What was not said to be
    /// [`published`](OutboxSession::published) comes again.
    ///
    /// Records of one owner come in the order of its settlements. Nothing is passed over: a settlement that is committed later
    /// than others of a higher number comes with a later call.
    fn next(
        &mut self,
        records: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<(OutboxId, Outgoing)>, StoreError>>;

    /// Those that are published and confirmed wait no longer.
    fn published(&mut self, records: Vec<OutboxId>) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// The group whose changelog, which holds no records, is where whoever publishes from an outbox notes on the brokers what it has
/// published: beside an offset of a group that is called so, with the outbox's identity behind it. `prefix` is that of all groups.
#[must_use]
pub fn outbox_group(prefix: &str) -> Group {
    Group::from(format!("{prefix}.outbox").as_str())
}

/// After how long without a word a session that publishes is ended by the database.
pub const SILENCE: Duration = Duration::from_secs(15);

/// The place of a record in an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId {
    /// Of its settlement.
    pub batch: i64,
    /// Within that.
    pub place: i64,
}
