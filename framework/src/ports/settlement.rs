//! Settlement: the one port through which effects become real.

use futures_util::future::BoxFuture;

use crate::{
    DeadLetter, Epoch, EventId, Group, Offset, Outgoing, Partition, Record, Timestamp, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{ParkChange, ParkedEvent, StoreError, Transaction},
};
use bytes::Bytes;

/// Who settles: a task of a group, for one partition, in one assignment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The consumer group.
    pub group: Group,
    /// The partition number.
    pub partition: Partition,
    /// The assignment; a store refuses what an older one brings.
    pub epoch: Epoch,
}

/// Effects that become real together, and the progress that goes with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Who settles.
    pub owner: Owner,
    /// Records to be appended, in order.
    pub outputs: Vec<Outgoing>,
    /// State to be written, at most one change a key.
    pub states: Vec<StateChange>,
    /// Event ids to be remembered.
    pub marks: Vec<Mark>,
    /// Events given up on, where the dead-letter store says that they go with the settlement.
    pub dead_letters: Vec<DeadLetter>,
    /// Counts of failed attempts to be kept or dropped.
    pub attempts: Vec<AttemptChange>,
    /// Events parked, and parked events that have ended, in the order in which that happened.
    pub parking: Vec<ParkChange>,
    /// How far the group has come, per topic, once all of the above is real.
    pub progress: Vec<(TopicName, Progress)>,
    /// The owner's ledger by then, without what is in flight.
    pub ledger: Ledger,
}

impl Settlement {
    /// Nothing yet of what an owner may settle: no effects, no progress, an empty ledger.
    #[must_use]
    pub fn empty(owner: Owner) -> Self {
        Self {
            owner,
            outputs: Vec::new(),
            states: Vec::new(),
            marks: Vec::new(),
            dead_letters: Vec::new(),
            attempts: Vec::new(),
            parking: Vec::new(),
            progress: Vec::new(),
            ledger: Ledger::default(),
        }
    }
}

/// The new state of a key; `None` removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// The key.
    pub key: Bytes,
    /// The state, encoded.
    pub value: Option<Bytes>,
    /// Per topic, the last event of this key that has gone into it, where the store asks for that
    /// ([`SettlementStore::asks_for_applied`]).
    pub applied: Vec<(TopicName, Offset)>,
}

impl StateChange {
    /// The new state of a key, without what has gone into it.
    #[must_use]
    pub fn new(key: Bytes, value: Option<Bytes>) -> Self {
        Self { key, value, applied: Vec::new() }
    }
}

/// Events of a key that have gone into its state already, though their settlement did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The key.
    pub key: Bytes,
    /// The events' topic.
    pub topic: TopicName,
    /// The last of them: it and all of that key before it are duplicates.
    pub last: Offset,
}

/// An event id to be remembered as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The event.
    pub id: EventId,
    /// Until when.
    pub expires: Timestamp,
}

/// How often an event has failed, kept over restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempts {
    /// The event's topic.
    pub topic: TopicName,
    /// The event's offset, in the owner's partition.
    pub offset: Offset,
    /// Attempts so far.
    pub attempts: u32,
    /// When the first failed.
    pub first_failed: Timestamp,
}

/// A change of the counts of failed attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptChange {
    /// Another attempt failed.
    Failed(FailedAttempts),
    /// The event has ended: its count is no longer needed.
    Ended {
        /// The event's topic.
        topic: TopicName,
        /// The event's offset.
        offset: Offset,
    },
}

/// What a new owner finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquired {
    /// The new owner.
    pub owner: Owner,
    /// How far the group has come, per topic asked for.
    pub progress: Vec<(TopicName, Progress)>,
    /// The ledger as it was last settled.
    pub ledger: Ledger,
    /// Events that have failed and not ended.
    pub attempts: Vec<FailedAttempts>,
    /// Events that are parked, in any order.
    pub parked: Vec<ParkedEvent>,
    /// What has gone into a state and lies at or above the progress, or is of a key that has parked events; always empty where a
    /// settlement is one transaction.
    pub applied: Vec<Applied>,
}

/// What kind of trouble a settlement met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettleErrorKind {
    /// Nothing of it became real; the same may be tried again.
    Retry,
    /// The owner has been replaced: it must stop, and nothing of it became real.
    Fenced,
    /// It can't become real as it is; trying again won't help.
    Refused,
    /// It is not to be tried again, since its transaction is over or nobody knows whether it became real: its owner must start
    /// over from what is settled.
    StartOver,
}

/// Why a settlement did not become real.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not settled ({kind:?}): {source}")]
pub struct SettleError {
    /// What to do about it.
    pub kind: SettleErrorKind,
    /// What the store said.
    pub source: StoreError,
}

/// A settlement that did not become real, given back whole.
#[derive(Debug)]
pub struct Unsettled {
    /// The settlement.
    pub settlement: Settlement,
    /// Why.
    pub error: SettleError,
}

/// The store that settles.
pub trait SettlementStore: Send + Sync {
    /// Makes a new owner of a group's partition, fencing the one before, and tells how far the group has come.
    fn acquire(
        &self,
        group: Group,
        partition: Partition,
        topics: Vec<TopicName>,
    ) -> BoxFuture<'static, Result<Acquired, StoreError>>;

    /// Makes a settlement real, all of it or nothing. Those of one owner become real in the order of the calls;
    /// after one failed, later ones of the same owner fail too until the failed one has been tried again.
    fn settle(&self, settlement: Settlement) -> BoxFuture<'static, Result<(), Box<Unsettled>>>;

    /// Makes a settlement real within the transaction of its handler, which is committed with it. What comes back is never of
    /// the kind [`SettleErrorKind::Retry`]: the transaction is gone. Refused unless the transport's
    /// [`transactions`](super::Transport::transactions) begin some.
    fn settle_in(
        &self,
        settlement: Settlement,
        transaction: Box<dyn Transaction>,
    ) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        drop(transaction);
        let message = "settlements can't be made in a transaction of a handler here".into();
        let source = StoreError { store: "settlement", message };
        let error = SettleError { kind: SettleErrorKind::Refused, source };
        Box::pin(std::future::ready(Err(Box::new(Unsettled { settlement, error }))))
    }

    /// Why one of these outputs or states can't become real, if that is known without trying; asked of each attempt where
    /// an earlier settlement of the partition was refused, so that its event becomes a dead letter instead. By default
    /// nothing is known.
    fn unfit(&self, _owner: &Owner, _outputs: &[Outgoing], _states: &[StateChange]) -> Option<StoreError> {
        None
    }

    /// Whether a record is short enough to be parked; any is by default. One that is not waits in its lane.
    fn fits_parking(&self, _record: &Record) -> bool {
        true
    }

    /// How many settlements of one owner that have outputs are to be under way at once; two by default, one being made real and
    /// one behind it. More where the outputs of one are published before an earlier one is real.
    fn at_once(&self) -> usize {
        2
    }

    /// Whether [`StateChange::applied`] is to be filled in: where state and progress don't become real in one
    /// transaction, a crash between the two must not apply an event twice.
    fn asks_for_applied(&self) -> bool {
        false
    }
}
