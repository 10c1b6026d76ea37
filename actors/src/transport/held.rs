//! Which claims the owners of this process know that they hold.
//!
//! A server's answer can be lost after the claim was made: by a time-out, a broken connection, or a caller that went away. Such
//! a claim stands under its owner's name, but its owner never heard of it, so it may not keep that owner from its
//! event. The store tells the two apart by what is written here.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use pandaflow::{
    Epoch, EventId, Group, Partition,
    ports::{Owner, Verdict},
};

/// The claims held, by owner. Bounded by what is in flight: of each partition the latest owner alone has any.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashMap<Group, HashMap<Partition, Claims>>>);

#[derive(Debug)]
struct Claims {
    epoch: Epoch,
    ids: HashSet<EventId>,
}

impl Held {
    /// A digit for each id, `1` if the owner holds it; nothing if it holds none of them.
    pub(super) fn digits(&self, owner: &Owner, ids: &[EventId]) -> String {
        let groups = self.lock();
        let claims = groups.get(&owner.group).and_then(|group| group.get(&owner.partition));
        match claims.filter(|claims| claims.epoch == owner.epoch) {
            Some(claims) if ids.iter().any(|id| claims.ids.contains(id)) => {
                ids.iter().map(|id| if claims.ids.contains(id) { '1' } else { '0' }).collect()
            }
            _ => String::new(),
        }
    }

    /// Takes in what an owner was told. The claims of an earlier owner of the partition are forgotten.
    pub(super) fn told(&self, owner: &Owner, ids: &[EventId], verdicts: &[Verdict]) {
        let mut groups = self.lock();
        let partitions = groups.entry(owner.group.clone()).or_default();
        let none = || Claims { epoch: owner.epoch, ids: HashSet::new() };
        let claims = partitions.entry(owner.partition).or_insert_with(none);
        if claims.epoch < owner.epoch {
            *claims = none();
        }
        if claims.epoch == owner.epoch {
            let fresh = ids.iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Fresh);
            claims.ids.extend(fresh.map(|(id, _)| *id));
        }
    }

    /// Takes back what [`told`](Self::told) took in, since the owner did not hear of it. What it held before it holds on.
    pub(super) fn unheard(&self, owner: &Owner, ids: &[EventId], verdicts: &[Verdict]) {
        let fresh = ids.iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Fresh);
        self.let_go(owner, &fresh.map(|(id, _)| *id).collect::<Vec<_>>());
    }

    /// Lets go of ids, and gives back those that were held.
    pub(super) fn let_go(&self, owner: &Owner, ids: &[EventId]) -> Vec<EventId> {
        let mut groups = self.lock();
        let claims = groups.get_mut(&owner.group).and_then(|group| group.get_mut(&owner.partition));
        match claims.filter(|claims| claims.epoch == owner.epoch) {
            Some(claims) => ids.iter().filter(|id| claims.ids.remove(id)).copied().collect(),
            None => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Group, HashMap<Partition, Claims>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(epoch: u64) -> Owner {
        Owner { group: "g".into(), partition: Partition(0), epoch: Epoch(epoch) }
    }

    fn ids(numbers: &[u128]) -> Vec<EventId> {
        numbers.iter().map(|number| EventId(uuid::Uuid::from_u128(*number))).collect()
    }

    #[test]
    fn what_was_fresh_is_held_until_it_is_let_go() {
        let held = Held::default();
        held.told(&owner(1), &ids(&[1, 2, 3]), &[Verdict::Fresh, Verdict::Done, Verdict::Fresh]);
        assert_eq!(held.digits(&owner(1), &ids(&[1, 2, 3])), "101");
        assert_eq!(held.let_go(&owner(1), &ids(&[1, 2])), ids(&[1]));
        assert_eq!(held.digits(&owner(1), &ids(&[1, 2])), "");
    }

    #[test]
    fn what_was_not_heard_of_is_not_held_and_what_was_held_before_is() {
        let held = Held::default();
        held.told(&owner(1), &ids(&[1]), &[Verdict::Fresh]);
        let (asked, leased) = (ids(&[1, 2]), Verdict::Leased { until: pandaflow::Timestamp(1) });
        held.told(&owner(1), &asked, &[leased, Verdict::Fresh]);
        held.unheard(&owner(1), &asked, &[leased, Verdict::Fresh]);
        assert_eq!(held.digits(&owner(1), &asked), "10");
    }

    #[test]
    fn a_later_owner_takes_the_place_of_an_earlier_one_and_never_the_other_way_round() {
        let held = Held::default();
        held.told(&owner(1), &ids(&[1]), &[Verdict::Fresh]);
        held.told(&owner(2), &ids(&[2]), &[Verdict::Fresh]);
        held.told(&owner(1), &ids(&[3]), &[Verdict::Fresh]);
        assert_eq!(held.digits(&owner(1), &ids(&[1, 3])), "");
        assert_eq!(held.let_go(&owner(1), &ids(&[2])), []);
        assert_eq!(held.digits(&owner(2), &ids(&[1, 2])), "01");
    }
}
