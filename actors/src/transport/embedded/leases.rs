//! Dedup leases: which events are being handled. They live in memory: one process owns the file, and when it
//! dies, nobody handles anything.

use std::collections::{HashMap, hash_map::Entry};

use pandaflow::{
    Epoch, EventId, Group, Partition, Timestamp,
    ports::{Claim, Mark, Owner, Standing},
};

#[derive(Debug, Clone, Copy)]
struct Lease {
    partition: Partition,
    epoch: Epoch,
    until: Timestamp,
}

impl Lease {
    fn is_of(&self, owner: &Owner) -> bool {
        self.partition == owner.partition && self.epoch == owner.epoch
    }
}

/// All leases, by group.
#[derive(Debug, Default)]
pub(super) struct Leases(HashMap<Group, GroupLeases>);

#[derive(Debug, Default)]
struct GroupLeases {
    by_id: HashMap<EventId, Lease>,
    /// The latest owner of each partition that has fenced the ones before.
    fences: HashMap<Partition, Epoch>,
    /// When they grow beyond, those that have ended are dropped.
    sweep_at: usize,
}

impl Leases {
    /// Leases each id to the claim's owner, unless a lease holds it: then tells until when.
    pub(super) fn claim(&mut self, claim: &Claim) -> Vec<Option<Timestamp>> {
        let Claim { owner, ids, now, lease } = claim;
        let group = self.0.entry(owner.group.clone()).or_default();
        group.sweep(*now, ids.len());
        let lease = Lease { partition: owner.partition, epoch: owner.epoch, until: now.after(*lease) };
        ids.iter().map(|id| group.claim(*id, lease, *now)).collect()
    }

    /// Ends leases of this owner.
    pub(super) fn end(&mut self, owner: &Owner, ids: &[EventId]) {
        let Some(group) = self.0.get_mut(&owner.group) else { return };
        for id in ids {
            if let Entry::Occupied(lease) = group.by_id.entry(*id)
                && lease.get().is_of(owner)
            {
                lease.remove();
            }
        }
    }

    /// Ends the leases of events that are marked as done.
    pub(super) fn marked(&mut self, group: &Group, marks: &[Mark]) {
        if let Some(group) = self.0.get_mut(group) {
            for mark in marks {
                group.by_id.remove(&mark.id);
            }
        }
    }

    /// Ends the leases of earlier owners of a partition, and their right to mark.
    pub(super) fn fence(&mut self, group: &Group, owner: &Owner) -> Standing {
        let standing = self.standing(group, owner);
        if standing == Standing::InForce {
            let group = self.0.entry(group.clone()).or_default();
            group.fences.insert(owner.partition, owner.epoch);
            group.by_id.retain(|_, lease| lease.partition != owner.partition || lease.epoch >= owner.epoch);
        }
        standing
    }

    pub(super) fn standing(&self, group: &Group, owner: &Owner) -> Standing {
        match self.0.get(group).and_then(|group| group.fences.get(&owner.partition)) {
            Some(by) if *by > owner.epoch => Standing::Fenced { by: *by },
            _ => Standing::InForce,
        }
    }
}

impl GroupLeases {
    fn claim(&mut self, id: EventId, lease: Lease, now: Timestamp) -> Option<Timestamp> {
        match self.by_id.entry(id) {
            Entry::Occupied(held) if held.get().until > now => Some(held.get().until),
            Entry::Occupied(mut ended) => {
                ended.insert(lease);
                None
            }
            Entry::Vacant(free) => {
                free.insert(lease);
                None
            }
        }
    }

    fn sweep(&mut self, now: Timestamp, coming: usize) {
        if self.by_id.len() + coming > self.sweep_at {
            self.by_id.retain(|_, lease| lease.until > now);
            self.sweep_at = (2 * (self.by_id.len() + coming)).max(4096);
        }
    }
}
