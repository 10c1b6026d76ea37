//! What is kept of a consumer group: per partition its owner, progress, ledger, failed attempts and state; and for
//! the whole group the ids that it has seen.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use hashbrown::HashMap;
use pandaflow::{
    Epoch, Group, Offset, Partition, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{
        Acquired, AttemptChange, FailedAttempts, Owner, ParkChange, ParkedEvent, Settlement, StateChange,
    },
};

use super::{
    dedup::Ids,
    lock::{Lock, Shared},
};

#[derive(Default)]
pub(super) struct Groups(Shared<HashMap<Group, Arc<GroupStore>>>);

impl Groups {
    pub(super) fn get(&self, group: &Group) -> Option<Arc<GroupStore>> {
        self.0.read().get(group).cloned()
    }

    pub(super) fn get_or_make(&self, group: &Group) -> Arc<GroupStore> {
        if let Some(found) = self.get(group) {
            return found;
        }
        Arc::clone(self.0.write().entry(group.clone()).or_default())
    }
}

#[derive(Default)]
pub(super) struct GroupStore {
    holdings: Shared<BTreeMap<Partition, Arc<Lock<Holding>>>>,
    pub(super) ids: Lock<Ids>,
}

impl GroupStore {
    pub(super) fn holding(&self, partition: Partition) -> Option<Arc<Lock<Holding>>> {
        self.holdings.read().get(&partition).cloned()
    }

    pub(super) fn holding_or_make(&self, partition: Partition) -> Arc<Lock<Holding>> {
        if let Some(found) = self.holding(partition) {
            return found;
        }
        Arc::clone(self.holdings.write().entry(partition).or_default())
    }

    pub(super) fn holdings(&self) -> Vec<(Partition, Arc<Lock<Holding>>)> {
        self.holdings.read().iter().map(|(number, holding)| (*number, Arc::clone(holding))).collect()
    }
}

/// One partition of a group.
#[derive(Default)]
pub(super) struct Holding {
    /// The newest assignment; 0 before the first.
    epoch: u64,
    /// Whether the newest assignment may settle: not once it was given back or lost.
    held: bool,
    /// The settlement that is to be tried again before any other.
    pub(super) failed: Option<Box<Settlement>>,
    /// Whether a refusal has not been read by the owner yet: until then it doesn't know what it settles upon.
    pub(super) refused: bool,
    pub(super) progress: BTreeMap<TopicName, Progress>,
    pub(super) ledger: Ledger,
    attempts: BTreeMap<(TopicName, Offset), FailedAttempts>,
    parked: BTreeMap<(TopicName, Offset), ParkedEvent>,
    pub(super) states: HashMap<Bytes, Bytes>,
}

impl Holding {
    /// Begins a new assignment; what an older one brings is refused from now on.
    pub(super) fn acquire(&mut self, group: Group, partition: Partition, topics: Vec<TopicName>) -> Acquired {
        self.epoch += 1;
        self.held = true;
        self.failed = None;
        self.refused = false;
        let epoch = Epoch(self.epoch);
        let progress = topics
            .into_iter()
            .map(|topic| {
                let progress = self.progress.entry(topic.clone()).or_default().clone();
                (topic, progress)
            })
            .collect();
        let attempts = self.attempts.values().cloned().collect();
        Acquired {
            owner: Owner { group, partition, epoch },
            progress,
            ledger: self.ledger,
            attempts,
            parked: self.parked.values().cloned().collect(),
            applied: Vec::new(),
        }
    }

    pub(super) fn is_held_by(&self, epoch: Epoch) -> bool {
        self.held && self.epoch == epoch.0
    }

    /// Ends the right of an assignment to settle.
    pub(super) fn retire(&mut self, epoch: Epoch) {
        if self.epoch == epoch.0 {
            self.held = false;
        }
    }

    pub(super) fn write_states(&mut self, changes: Vec<StateChange>) {
        for StateChange { key, value, .. } in changes {
            match value {
                Some(value) => drop(self.states.insert(key, value)),
                None => drop(self.states.remove(&key)),
            }
        }
    }

    pub(super) fn change_attempts(&mut self, changes: Vec<AttemptChange>) {
        for change in changes {
            match change {
                AttemptChange::Failed(failed) => {
                    self.attempts.insert((failed.topic.clone(), failed.offset), failed);
                }
                AttemptChange::Ended { topic, offset } => drop(self.attempts.remove(&(topic, offset))),
            }
        }
    }

    pub(super) fn change_parking(&mut self, changes: Vec<ParkChange>) {
        for change in changes {
            match change {
                ParkChange::Parked(event) => {
                    self.parked.insert((event.record.topic.clone(), event.record.offset), *event);
                }
                ParkChange::Ended { topic, offset } => drop(self.parked.remove(&(topic, offset))),
            }
        }
    }

    pub(super) fn write_progress(&mut self, progress: Vec<(TopicName, Progress)>) {
        for (topic, progress) in progress {
            match self.progress.get_mut(&topic) {
                Some(known) => *known = progress,
                None => drop(self.progress.insert(topic, progress)),
            }
        }
    }
}
