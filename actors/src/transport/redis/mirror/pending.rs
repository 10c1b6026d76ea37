//! What is still to be written to the mirror: the latest change of each key, and partitions whose keys all are.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use pandaflow::{Epoch, Partition};
use tokio::sync::Notify;

/// Which of two states of a key is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    /// Its owner's.
    pub(super) epoch: Epoch,
    /// The settlement's number; 0 for what the owner found.
    pub(super) settlement: u64,
}

/// As it is written and compared on Redis: digits of one length, so that text order is the order of the numbers.
impl fmt::Display for Version {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:020}.{:020}", self.epoch.0, self.settlement)
    }
}

/// A key's state as of a version; `None` if it was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) version: Version,
    pub(super) state: Option<Bytes>,
}

/// A change with its place in the list of what is mirrored, and its key.
pub(super) type Placed = ((usize, Bytes), Change);

/// Filled by settlements and assignments, emptied by the writer. It holds at most one change a key.
#[derive(Default)]
pub(super) struct Pending {
    waiting: Mutex<Waiting>,
    closed: AtomicBool,
    /// For the writer, who is the only one that waits.
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    changes: BTreeMap<(usize, Bytes), Change>,
    assigned: BTreeMap<(usize, Partition), Epoch>,
}

impl Waiting {
    fn is_something(&self) -> bool {
        !self.changes.is_empty() || !self.assigned.is_empty()
    }
}

impl Pending {
    pub(super) fn changed(&self, place: usize, changes: Vec<(Bytes, Change)>) {
        self.put(changes.into_iter().map(|(key, change)| ((place, key), change)));
        self.more.notify_one();
    }

    pub(super) fn assigned(&self, place: usize, partition: Partition, epoch: Epoch) {
        let mut waiting = self.waiting();
        let known = waiting.assigned.entry((place, partition)).or_insert(epoch);
        *known = epoch.max(*known);
        drop(waiting);
        self.more.notify_one();
    }

    /// Adds changes, or puts back what could not be written: the later version stays.
    pub(super) fn put(&self, changes: impl IntoIterator<Item = Placed>) {
        let mut waiting = self.waiting();
        for (key, change) in changes {
            match waiting.changes.entry(key) {
                Entry::Vacant(entry) => drop(entry.insert(change)),
                Entry::Occupied(mut entry) => {
                    if entry.get().version < change.version {
                        entry.insert(change);
                    }
                }
            }
        }
    }

    /// The next changes to write, `most` at most.
    pub(super) fn take(&self, most: usize) -> Vec<Placed> {
        let mut waiting = self.waiting();
        std::iter::from_fn(|| waiting.changes.pop_first()).take(most).collect()
    }

    /// Whether no change waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting().changes.is_empty()
    }

    /// The partitions that were assigned and not read since.
    pub(super) fn take_assigned(&self) -> Vec<((usize, Partition), Epoch)> {
        std::mem::take(&mut self.waiting().assigned).into_iter().collect()
    }

    /// Waits until there is something to write or nothing more will come.
    pub(super) async fn more_or_closed(&self) {
        loop {
            let more = self.more.notified();
            if self.is_closed() || self.waiting().is_something() {
                return;
            }
            more.await;
        }
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.more.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until nothing more will come.
    pub(super) async fn closed(&self) {
        while !self.is_closed() {
            self.more.notified().await;
        }
        // Whoever waits for more has to look, too.
        self.more.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(epoch: u64, settlement: u64) -> Change {
        Change { version: Version { epoch: Epoch(epoch), settlement }, state: None }
    }

    proptest! {
        #[test]
        fn text_order_is_the_order_of_versions(a in any::<(u64, u64)>(), b in any::<(u64, u64)>()) {
            let (a, b) = (change(a.0, a.1).version, change(b.0, b.1).version);
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn of_any_changes_in_any_order_the_latest_of_each_key_waits(
            changes in prop::collection::vec((0_u8..4, 0_u64..3, 0_u64..10), 0..40),
        ) {
            let pending = Pending::default();
            let mut latest = BTreeMap::new();
            for (key, epoch, settlement) in changes {
                let (key, change) = (Bytes::from(vec![key]), change(epoch, settlement));
                let known = latest.entry((0, key.clone())).or_insert(change.clone());
                if known.version < change.version {
                    *known = change.clone();
                }
                pending.changed(0, vec![(key, change)]);
            }
            prop_assert_eq!(pending.take(1), latest.first_key_value().map(|(key, change)| (key.clone(), change.clone())).into_iter().collect::<Vec<_>>());
            latest.pop_first();
            prop_assert_eq!(pending.take(100), latest.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_put_back_does_not_cover_up_what_has_come_meanwhile() {
        let pending = Pending::default();
        let key = Bytes::from_static(b"k");
        pending.changed(0, vec![(key.clone(), change(1, 1))]);
        let taken = pending.take(1);
        pending.changed(0, vec![(key.clone(), change(1, 2))]);
        pending.put(taken);
        assert_eq!(pending.take(2), [((0, key), change(1, 2))]);
    }

    #[test]
    fn a_partition_that_comes_twice_is_read_once_as_its_latest_owner() {
        let pending = Pending::default();
        for epoch in [3, 5, 4] {
            pending.assigned(0, Partition(1), Epoch(epoch));
        }
        assert_eq!(pending.take_assigned(), [((0, Partition(1)), Epoch(5))]);
        assert_eq!(pending.take_assigned(), []);
    }
}
