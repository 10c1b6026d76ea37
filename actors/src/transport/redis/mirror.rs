//! A mirror of settled state on Redis: for others to read, such as a screen that shows the accounts. Nothing here reads it.
//!
//! It wraps a transport. A key's new state is written once it is settled, so the mirror is never ahead of the truth; it is
//! behind by a round trip, and by as long as Redis is down. Meanwhile the latest state of each changed key waits, which is
//! at most what the state itself takes, and no event waits for it. What a crash or a move of a partition cut off is made
//! good when the partition is assigned next: then all of its keys are written.
//!
//! # What is kept
//! Under `PREFIX KEY` a hash with the fields that the program makes of a state, and `version`: the owner's epoch and the number
//! of its settlement, 20 digits each. A write with a lower version changes nothing, so a process that is late covers up
//! nothing. `PREFIX` and `#keys` is the set of the keys. What a key's state was removed from is a hash with the version
//! alone for a day. If a crash comes between the removal and its writing, the entry stays until the key changes again.

mod heard;
mod pending;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    Group, Outgoing, Partition, Record, TopicName,
    policy::ledger::Ledger,
    ports::{
        Acquired, DeadLetterStore, DedupStore, Lag, Owner, Restored, Settlement, SettlementStore, Source,
        StateChange, StateStore, StoreError, TableSource, TopicToCreate, Transaction, Transactions,
        Transport, Unsettled,
    },
};

use self::{
    heard::HeardSource,
    pending::{Change, Pending, Version},
    writer::Writer,
};
use super::RedisConfig;

/// What is shown of one state, by name.
pub type Fields = Vec<(&'static str, String)>;

/// What is shown of a key's state, from the key and the state as it is stored; `None` for a state that isn't shown.
pub type Show = fn(&[u8], &[u8]) -> Result<Option<Fields>, String>;

/// A processor's state that is mirrored.
#[derive(Debug, Clone)]
pub struct Mirrored {
    /// The processor's group.
    pub group: Group,
    /// What its keys on Redis begin with, such as `paper:portfolio:`.
    pub prefix: String,
    /// What is shown of its states. An error is logged, and the entry stays as it is.
    pub show: Show,
}

/// A transport whose settled state is mirrored on Redis.
#[derive(Clone)]
pub struct MirroringTransport(Arc<Inner>);

struct Inner {
    transport: Arc<dyn Transport>,
    mirror: Arc<Mirror>,
}

/// What is mirrored, and what of it is still to be written.
pub(super) struct Mirror {
    mirrored: Vec<Mirrored>,
    pending: Pending,
    /// Numbers settlements in the order in which they were handed over, which is the order in which they become real.
    settlements: AtomicU64,
    writer: Writer,
}

impl MirroringTransport {
    /// Wraps `transport`. Redis need not be there yet.
    ///
    /// # Errors
    /// The URL is not one that the client takes, or the mirror's thread can't be started.
    pub fn new(
        transport: Arc<dyn Transport>,
        config: &RedisConfig,
        mirrored: Vec<Mirrored>,
    ) -> Result<Self, StoreError> {
        let mirror = Arc::new(Mirror {
            mirrored,
            pending: Pending::default(),
            settlements: AtomicU64::new(1),
            writer: Writer::open(config)?,
        });
        mirror.writer.start(&mirror, transport.states());
        Ok(Self(Arc::new(Inner { transport, mirror })))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.mirror.pending.close();
    }
}

impl Mirror {
    /// The place of a group in the list.
    fn place(&self, group: &Group) -> Option<usize> {
        self.mirrored.iter().position(|mirrored| mirrored.group == *group)
    }

    /// All of a partition's keys are to be written: it has just been assigned.
    fn assigned(&self, acquired: &Acquired) {
        if let Some(place) = self.place(&acquired.owner.group) {
            self.pending.assigned(place, acquired.owner.partition, acquired.owner.epoch);
        }
    }
}

impl Transport for MirroringTransport {
    fn create_topics(&self, topics: Vec<TopicToCreate>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.0.transport.create_topics(topics)
    }

    fn source(&self) -> Arc<dyn Source> {
        Arc::new(HeardSource { source: self.0.transport.source(), mirror: Arc::clone(&self.0.mirror) })
    }

    fn settlement(&self) -> Arc<dyn SettlementStore> {
        Arc::new(MirroredSettlement {
            store: self.0.transport.settlement(),
            mirror: Arc::clone(&self.0.mirror),
        })
    }

    fn states(&self) -> Arc<dyn StateStore> {
        self.0.transport.states()
    }

    fn dedup(&self) -> Arc<dyn DedupStore> {
        self.0.transport.dedup()
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        self.0.transport.dead_letters()
    }

    fn tables(&self) -> Arc<dyn TableSource> {
        self.0.transport.tables()
    }

    fn lag(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Lag>, StoreError>> {
        self.0.transport.lag(groups)
    }

    fn ledgers(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<(Group, Ledger)>, StoreError>> {
        self.0.transport.ledgers(groups)
    }

    fn transactions(&self) -> Option<Arc<dyn Transactions>> {
        self.0.transport.transactions()
    }

    fn unpublished(&self) -> BoxFuture<'static, Result<Option<u64>, StoreError>> {
        self.0.transport.unpublished()
    }

    fn restored(&self) -> Restored {
        self.0.transport.restored()
    }

    /// What has been settled is written, unless Redis is down.
    fn close(&self) -> BoxFuture<'static, ()> {
        let inner = Arc::clone(&self.0);
        async move {
            inner.transport.close().await;
            inner.mirror.pending.close();
            inner.mirror.writer.finish().await;
        }
        .boxed()
    }
}

struct MirroredSettlement {
    store: Arc<dyn SettlementStore>,
    mirror: Arc<Mirror>,
}

impl SettlementStore for MirroredSettlement {
    fn acquire(
        &self,
        group: Group,
        partition: Partition,
        topics: Vec<TopicName>,
    ) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        self.store.acquire(group, partition, topics)
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        let noted = self.note(&settlement);
        self.mirrored(noted, self.store.settle(settlement))
    }

    fn settle_in(
        &self,
        settlement: Settlement,
        transaction: Box<dyn Transaction>,
    ) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        let noted = self.note(&settlement);
        self.mirrored(noted, self.store.settle_in(settlement, transaction))
    }

    fn fits_parking(&self, record: &Record) -> bool {
        self.store.fits_parking(record)
    }

    fn unfit(&self, owner: &Owner, outputs: &[Outgoing], states: &[StateChange]) -> Option<StoreError> {
        self.store.unfit(owner, outputs, states)
    }

    fn at_once(&self) -> usize {
        self.store.at_once()
    }

    fn asks_for_applied(&self) -> bool {
        self.store.asks_for_applied()
    }
}

/// Changes of a mirrored group, by its place.
type Noted = Option<(usize, Vec<(Bytes, Change)>)>;

impl MirroredSettlement {
    /// What is to be mirrored of a settlement once it is real.
    fn note(&self, settlement: &Settlement) -> Noted {
        let place = self.mirror.place(&settlement.owner.group).filter(|_| !settlement.states.is_empty())?;
        let number = self.mirror.settlements.fetch_add(1, Ordering::Relaxed);
        let version = Version { epoch: settlement.owner.epoch, settlement: number };
        let states = settlement.states.iter();
        let change =
            |state: &StateChange| (state.key.clone(), Change { version, state: state.value.clone() });
        Some((place, states.map(change).collect()))
    }

    fn mirrored(
        &self,
        noted: Noted,
        settled: BoxFuture<'static, Result<(), Box<Unsettled>>>,
    ) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        let Some((place, changes)) = noted else { return settled };
        let mirror = Arc::clone(&self.mirror);
        async move {
            settled.await?;
            mirror.pending.changed(place, changes);
            Ok(())
        }
        .boxed()
    }
}
