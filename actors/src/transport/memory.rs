//! The memory transport: the whole contract of a transport in memory, for tests and for measuring the runtime alone.
//!
//! It has no thread of its own. Appending, asking for more and settling deliver right there, on the calling thread, after
//! every lock is let go; so a test that runs on one thread is deterministic. Several threads may call at once: locks are
//! per partition. Nothing is lost but by ending the process, and nothing is ever cleared away from a log.

mod core;
mod dead_letters;
mod dedup;
#[cfg(feature = "testkit")]
mod faults;
mod group;
mod inspect;
mod lag;
mod lock;
mod log;
mod reader;
mod settlement;
mod states;
mod subscription;
mod tables;
mod topics;

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    Clock, Group, Partition,
    policy::ledger::Ledger,
    ports::{
        DeadLetterStore, DedupStore, Lag, SettlementStore, Source, StateStore, StoreError, TableSource,
        TopicToCreate, Transport,
    },
};

#[cfg(feature = "testkit")]
pub use faults::{Faults, StoreFaults};

use self::core::{Core, ready};

/// The name of this store in errors.
const STORE: &str = "memory log";

/// A transport in memory. A clone is another handle on the same one.
///
/// ```
/// use std::sync::Arc;
/// use pandaflow::SystemClock;
/// use pandaflow_actors::transport::memory::MemoryTransport;
/// let transport = MemoryTransport::new(Arc::new(SystemClock));
/// assert!(transport.dead_letters().is_empty());
/// ```
#[derive(Clone)]
pub struct MemoryTransport {
    core: Arc<Core>,
}

impl MemoryTransport {
    /// An empty transport.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { core: Core::new(clock) }
    }

    /// Asks the owner of a partition to give it back, as a rebalance does. Nothing of that owner is settled
    /// once it has let go.
    pub fn revoke(&self, group: &Group, partition: Partition) {
        self.core.revoke(group, partition);
    }

    /// Takes a partition away at once: nothing of its owner is settled any more.
    pub fn lose(&self, group: &Group, partition: Partition) {
        self.core.lose(group, partition);
    }

    /// Gives a partition to the group's subscription in a new epoch, and starts it over if it has it.
    pub fn assign_again(&self, group: &Group, partition: Partition) {
        self.core.assign_again(group, partition);
    }

    /// Faults on order.
    #[cfg(feature = "testkit")]
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults(Arc::clone(&self.core))
    }
}

impl Transport for MemoryTransport {
    fn create_topics(&self, topics: Vec<TopicToCreate>) -> BoxFuture<'static, Result<(), StoreError>> {
        ready(self.core.topics.create(topics))
    }

    fn source(&self) -> Arc<dyn Source> {
        Arc::new(subscription::MemorySource(Arc::clone(&self.core)))
    }

    fn settlement(&self) -> Arc<dyn SettlementStore> {
        Arc::new(settlement::MemorySettlement(Arc::clone(&self.core)))
    }

    fn states(&self) -> Arc<dyn StateStore> {
        Arc::new(states::MemoryStates(Arc::clone(&self.core)))
    }

    fn dedup(&self) -> Arc<dyn DedupStore> {
        Arc::new(dedup::MemoryDedup(Arc::clone(&self.core)))
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        Arc::new(dead_letters::MemoryDeadLetters(Arc::clone(&self.core)))
    }

    fn tables(&self) -> Arc<dyn TableSource> {
        Arc::new(tables::MemoryTables(Arc::clone(&self.core)))
    }

    fn lag(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Lag>, StoreError>> {
        let asked = self.core.ask(core::Port::Lag, move |core| core.lag(groups));
        asked.map(Result::flatten).boxed()
    }

    fn ledgers(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<(Group, Ledger)>, StoreError>> {
        let ledgers = groups.into_iter().map(|group| (group.clone(), self.ledger(&group))).collect();
        ready(Ok(ledgers))
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        ready(())
    }
}
