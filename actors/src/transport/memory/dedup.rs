//! The dedup store: ids that a group has claimed or handled.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hashbrown::{HashMap, hash_map::Entry};
use pandaflow::{
    Epoch, EventId, Group, Partition, Timestamp,
    ports::{Claim, DedupStore, Mark, Owner, StoreError, Verdict},
};

use super::core::{Core, Port};

/// How many ids there are at least before those that have expired are cleared away.
const CLEAR_FROM: usize = 4096;

/// The ids of one group.
#[derive(Default)]
pub(super) struct Ids {
    known: HashMap<EventId, Known>,
    /// At how many ids expired ones are cleared away.
    clear_at: usize,
}

#[derive(Clone, Copy)]
enum Known {
    Claimed { by: (Partition, Epoch), until: Timestamp },
    Done { expires: Timestamp },
}

impl Ids {
    fn claim(&mut self, claim: &Claim) -> Vec<Verdict> {
        self.clear(claim.now);
        let by = (claim.owner.partition, claim.owner.epoch);
        claim.ids.iter().map(|id| self.claim_one(*id, by, claim.now, claim.lease)).collect()
    }

    fn claim_one(&mut self, id: EventId, by: (Partition, Epoch), now: Timestamp, lease: Duration) -> Verdict {
        let until = now.after(lease);
        match self.known.entry(id) {
            Entry::Occupied(mut known) => match *known.get() {
                Known::Done { expires } if expires > now => return Verdict::Done,
                // Its owner lives: it asks. It is still at the event, however long it takes.
                Known::Claimed { by: owner, until: ends } if owner == by => {
                    let until = until.max(ends);
                    known.insert(Known::Claimed { by, until });
                    return Verdict::Leased { until };
                }
                Known::Claimed { until, .. } if until > now => return Verdict::Leased { until },
                _ => drop(known.insert(Known::Claimed { by, until })),
            },
            Entry::Vacant(free) => drop(free.insert(Known::Claimed { by, until })),
        }
        Verdict::Fresh
    }

    pub(super) fn mark(&mut self, marks: &[Mark]) {
        for mark in marks {
            self.known.insert(mark.id, Known::Done { expires: mark.expires });
        }
    }

    /// Ends claims of this owner; what is done stays done.
    fn end(&mut self, owner: &Owner, ids: &[EventId]) {
        for id in ids {
            if let Entry::Occupied(known) = self.known.entry(*id)
                && matches!(known.get(), Known::Claimed { by, .. } if *by == (owner.partition, owner.epoch))
            {
                known.remove();
            }
        }
    }

    fn fence(&mut self, owner: &Owner) {
        self.known.retain(|_, known| match known {
            Known::Claimed { by: (partition, epoch), .. } => {
                *partition != owner.partition || *epoch >= owner.epoch
            }
            Known::Done { .. } => true,
        });
    }

    fn clear(&mut self, now: Timestamp) {
        if self.known.len() >= self.clear_at.max(CLEAR_FROM) {
            self.known.retain(|_, known| match known {
                // A claim is its owner's to end, or the fence's.
                Known::Claimed { .. } => true,
                Known::Done { expires } => *expires > now,
            });
            self.clear_at = self.known.len() * 2;
        }
    }
}

/// [`DedupStore`] in memory.
pub(super) struct MemoryDedup(pub(super) Arc<Core>);

impl DedupStore for MemoryDedup {
    fn claim(&self, claim: Claim) -> BoxFuture<'static, Result<Vec<Verdict>, StoreError>> {
        self.0.ask(Port::Dedup, move |core| {
            core.groups.get_or_make(&claim.owner.group).ids.lock().claim(&claim)
        })
    }

    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.0.ask(Port::Dedup, move |core| core.groups.get_or_make(&owner.group).ids.lock().mark(&marks))
    }

    fn done(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.0.ask(Port::Dedup, move |core| {
            core.groups.get_or_make(&owner.group).ids.lock().end(&owner, &ids);
        })
    }

    fn release(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.done(owner, ids)
    }

    fn fence(&self, group: Group, owner: Owner) -> BoxFuture<'static, Result<(), StoreError>> {
        self.0.ask(Port::Dedup, move |core| core.groups.get_or_make(&group).ids.lock().fence(&owner))
    }
}
