//! Dedup stores: which events a group has handled, or is handling.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::{
    Epoch, EventId, Group, Timestamp,
    ports::{Mark, Owner, StoreError},
};

/// The first phase: an owner says that it is about to handle events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub owner: Owner,
    /// What.
    pub ids: Vec<EventId>,
    /// Now.
    pub now: Timestamp,
    /// How long the claim holds. After that another owner may claim, so that a crash leads to another try.
    pub lease: Duration,
}

/// What a claim got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has it: handle it.
    Fresh,
    /// It is done: a duplicate.
    Done,
    /// Another owner holds it until then, or this owner claimed it already and has not ended it.
    Leased {
        /// When the lease ends.
        until: Timestamp,
    },
}

/// What a store says of an owner that has called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// No later owner of its partition has fenced it: it was done as asked.
    InForce,
    /// A later owner has: nothing was done.
    Fenced {
        /// The epoch of that owner.
        by: Epoch,
    },
}

/// Remembers ids in two phases: claimed under a lease, then done. The second is written by settlements
/// ([`Mark`]) where store and settlement share a transaction, and by [`DedupStore::mark`] elsewhere.
pub trait DedupStore: Send + Sync {
    /// Claims ids; one verdict each, in order. An id that stands twice in one claim is `Fresh` once.
    fn claim(&self, claim: Claim) -> BoxFuture<'static, Result<Vec<Verdict>, StoreError>>;

    /// Remembers events of this owner as done. Called by a settlement that doesn't share a transaction with this
    /// store, after the effects are real and before the progress is.
    ///
    /// Once a [`fence`](Self::fence) of a later owner of the partition has returned, nothing that an earlier one marks becomes real:
    /// its state may lack what the earlier one has done since, and a mark would keep it from doing it.
    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<Standing, StoreError>>;

    /// The marks of these events are settled: the claims are no longer needed.
    fn done(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Gives claims up without having handled the events.
    fn release(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Ends every claim of earlier owners of a group's partition, and their right to mark. Called when a partition is assigned
    /// by a transport whose settlement fences them; before the new owner's state is read, where settlements and this store
    /// don't share a transaction. An owner may fence more than once.
    fn fence(&self, group: Group, owner: Owner) -> BoxFuture<'static, Result<Standing, StoreError>>;

    /// Whether settlements can't do without it. A store that keeps marks that it can't write now is not needed: partitions
    /// are taken up also while it can't fence.
    fn is_needed(&self) -> bool {
        true
    }
}
