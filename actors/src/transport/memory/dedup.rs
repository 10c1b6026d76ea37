//! The dedup store: ids that a group has claimed or handled.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use hashbrown::{HashMap, hash_map::Entry};
use pandaflow::{
    Epoch, EventId, Group, Partition, Timestamp,
    ports::{Claim, DedupStore, Mark, Owner, Standing, StoreError, Verdict},
};

use super::core::{Core, Port};

/// How many ids there are at least before those that have expired are cleared away.
const CLEAR_FROM: usize = 4096;

/// The ids of one group. Those that are done are many and looked up once each, so they are kept small; those that are
/// being handled are few.
#[derive(Default)]
pub(super) struct Ids {
    claimed: HashMap<EventId, Claimed>,
    done: Done,
    /// At how many done ids expired ones are cleared away.
    clear_at: usize,
    /// The latest owner of each partition that has fenced the ones before.
    fences: HashMap<Partition, Epoch>,
}

/// Until when each id is remembered. In parts, which grow one after the other: one that grows stands there twice meanwhile.
#[derive(Default)]
struct Done([HashMap<EventId, Timestamp>; 16]);

impl Done {
    fn part(&mut self, id: EventId) -> &mut HashMap<EventId, Timestamp> {
        &mut self.0[usize::from(id.0.as_bytes()[15] & 15)]
    }

    fn len(&self) -> usize {
        self.0.iter().map(HashMap::len).sum()
    }

    fn retain(&mut self, mut keep: impl FnMut(Timestamp) -> bool) {
        self.0.iter_mut().for_each(|part| part.retain(|_, expires| keep(*expires)));
    }
}

#[derive(Clone, Copy)]
struct Claimed {
    by: (Partition, Epoch),
    until: Timestamp,
}

impl Ids {
    fn claim(&mut self, claim: &Claim) -> Vec<Verdict> {
        self.clear(claim.now);
        let by = (claim.owner.partition, claim.owner.epoch);
        claim.ids.iter().map(|id| self.claim_one(*id, by, claim.now, claim.lease)).collect()
    }

    fn claim_one(&mut self, id: EventId, by: (Partition, Epoch), now: Timestamp, lease: Duration) -> Verdict {
        if self.done.part(id).get(&id).is_some_and(|expires| *expires > now) {
            return Verdict::Done;
        }
        let until = now.after(lease);
        match self.claimed.entry(id) {
            // Its owner lives: it asks. It is still at the event, however long it takes.
            Entry::Occupied(mut known) if known.get().by == by => {
                let until = until.max(known.get().until);
                known.insert(Claimed { by, until });
                Verdict::Leased { until }
            }
            Entry::Occupied(known) if known.get().until > now => Verdict::Leased { until: known.get().until },
            Entry::Occupied(mut known) => {
                known.insert(Claimed { by, until });
                Verdict::Fresh
            }
            Entry::Vacant(free) => {
                free.insert(Claimed { by, until });
                Verdict::Fresh
            }
        }
    }

    pub(super) fn mark(&mut self, marks: &[Mark]) {
        for mark in marks {
            self.claimed.remove(&mark.id);
            self.done.part(mark.id).insert(mark.id, mark.expires);
        }
    }

    /// Ends claims of this owner; what is done stays done.
    fn end(&mut self, owner: &Owner, ids: &[EventId]) {
        for id in ids {
            if let Entry::Occupied(known) = self.claimed.entry(*id)
                && known.get().by == (owner.partition, owner.epoch)
            {
                known.remove();
            }
        }
    }

    fn standing(&self, owner: &Owner) -> Standing {
        match self.fences.get(&owner.partition) {
            Some(by) if *by > owner.epoch => Standing::Fenced { by: *by },
            _ => Standing::InForce,
        }
    }

    fn fence(&mut self, owner: &Owner) -> Standing {
        let standing = self.standing(owner);
        if standing != Standing::InForce {
            return standing;
        }
        self.fences.insert(owner.partition, owner.epoch);
        self.claimed.retain(|_, Claimed { by: (partition, epoch), .. }| {
            *partition != owner.partition || *epoch >= owner.epoch
        });
        standing
    }

    /// Forgets what has expired. A claim is its owner's to end, or the fence's.
    fn clear(&mut self, now: Timestamp) {
        if self.done.len() >= self.clear_at.max(CLEAR_FROM) {
            self.done.retain(|expires| expires > now);
            self.clear_at = self.done.len() * 2;
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

    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<Standing, StoreError>> {
        self.0.ask(Port::Dedup, move |core| {
            let group = core.groups.get_or_make(&owner.group);
            let mut ids = group.ids.lock();
            let standing = ids.standing(&owner);
            if standing == Standing::InForce {
                ids.mark(&marks);
            }
            standing
        })
    }

    fn done(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.0.ask(Port::Dedup, move |core| {
            core.groups.get_or_make(&owner.group).ids.lock().end(&owner, &ids);
        })
    }

    fn release(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.done(owner, ids)
    }

    fn fence(&self, group: Group, owner: Owner) -> BoxFuture<'static, Result<Standing, StoreError>> {
        self.0.ask(Port::Dedup, move |core| core.groups.get_or_make(&group).ids.lock().fence(&owner))
    }
}
