//! A bounded two-phase memory of ids that stands in for the dedup store while it is down. Of the time before it knows what is
//! being handled still.

use std::collections::{HashMap, VecDeque};

use pandaflow::{
    EventId, Group, Timestamp,
    ports::{Claim, Owner, Verdict},
};

/// How many ids there are at least before claims whose lease has ended are cleared away.
const CLEAR_FROM: usize = 4096;

/// Ids claimed or done, of all groups, at most `capacity` of those that it gave out itself. The oldest done ids go first;
/// claims stay until they end or their lease does.
#[derive(Debug)]
pub(super) struct LocalMarks {
    capacity: usize,
    marks: HashMap<(Group, EventId), Phase>,
    /// The done ids, oldest first.
    done: VecDeque<(Group, EventId)>,
    /// At how many ids claims whose lease has ended are cleared away.
    clear_at: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Claimed { owner: Owner, until: Timestamp },
    Done { by: Owner },
}

/// All ids are claimed: there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl LocalMarks {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), marks: HashMap::new(), done: VecDeque::new(), clear_at: CLEAR_FROM }
    }

    /// Claims ids; nothing is claimed when there is no room for all.
    pub(super) fn claim(&mut self, claim: &Claim) -> Result<Vec<Verdict>, Full> {
        let until = claim.now.after(claim.lease);
        let known: Vec<_> = claim.ids.iter().map(|id| self.verdict(claim, *id)).collect();
        self.make_room(known.iter().filter(|known| known.is_none()).count(), claim.now)?;
        let verdict = |(id, known): (&EventId, Option<Verdict>)| {
            // Asked again, since the id may stand twice in this claim.
            known.or_else(|| self.verdict(claim, *id)).unwrap_or_else(|| {
                let phase = Phase::Claimed { owner: claim.owner.clone(), until };
                self.marks.insert((claim.owner.group.clone(), *id), phase);
                Verdict::Fresh
            })
        };
        Ok(claim.ids.iter().zip(known).map(verdict).collect())
    }

    /// Takes in what the store has given out: should it go down, these are being handled. Bounded by what is in flight.
    pub(super) fn given_out(&mut self, claim: &Claim, verdicts: &[Verdict]) {
        let until = claim.now.after(claim.lease);
        for (id, _) in claim.ids.iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Fresh) {
            let phase = Phase::Claimed { owner: claim.owner.clone(), until };
            self.marks.insert((claim.owner.group.clone(), *id), phase);
        }
        if self.marks.len() >= self.clear_at {
            self.clear(claim.now);
            self.clear_at = (self.marks.len() * 2).max(CLEAR_FROM);
        }
    }

    /// What is known of an id; `None` if nobody has it.
    fn verdict(&self, claim: &Claim, id: EventId) -> Option<Verdict> {
        match self.marks.get(&(claim.owner.group.clone(), id))? {
            Phase::Done { .. } => Some(Verdict::Done),
            Phase::Claimed { until, .. } if *until > claim.now => Some(Verdict::Leased { until: *until }),
            Phase::Claimed { .. } => None,
        }
    }

    /// Marks ids as done, also those that were claimed elsewhere.
    pub(super) fn done(&mut self, owner: &Owner, ids: &[EventId]) {
        for id in ids {
            let mark = (owner.group.clone(), *id);
            let before = self.marks.insert(mark.clone(), Phase::Done { by: owner.clone() });
            if !matches!(before, Some(Phase::Done { .. })) {
                self.done.push_back(mark);
            }
        }
        self.shrink_to(self.capacity);
    }

    /// Ends claims of this owner.
    pub(super) fn release(&mut self, owner: &Owner, ids: &[EventId]) {
        for id in ids {
            let mark = (owner.group.clone(), *id);
            if matches!(self.marks.get(&mark), Some(Phase::Claimed { owner: by, .. }) if by == owner) {
                self.marks.remove(&mark);
            }
        }
    }

    /// Forgets ids that the store knows by now.
    pub(super) fn forget(&mut self, group: &Group, ids: &[EventId]) {
        if self.marks.is_empty() {
            return;
        }
        for id in ids {
            self.marks.remove(&(group.clone(), *id));
        }
        self.done.retain(|mark| self.marks.contains_key(mark));
    }

    /// Ends every claim of earlier owners of `owner`'s partition.
    pub(super) fn fence(&mut self, group: &Group, owner: &Owner) {
        self.marks.retain(|(of, _), phase| {
            !matches!(phase, Phase::Claimed { owner: by, .. }
                if of == group && by.partition == owner.partition && by.epoch < owner.epoch)
        });
    }

    /// What a store that is back says of a claim, corrected by what was learnt while it was down.
    pub(super) fn correct(&self, claim: &Claim, verdicts: Vec<Verdict>) -> Vec<Verdict> {
        let correct = |(id, verdict): (&EventId, Verdict)| match self.verdict(claim, *id) {
            Some(Verdict::Done) => Verdict::Done,
            Some(leased) if verdict == Verdict::Fresh => leased,
            _ => verdict,
        };
        claim.ids.iter().zip(verdicts).map(correct).collect()
    }

    /// The done ids by who handled them, to be told to the store.
    pub(super) fn learnt(&self) -> HashMap<Owner, Vec<EventId>> {
        let mut learnt: HashMap<Owner, Vec<EventId>> = HashMap::new();
        for mark in &self.done {
            if let Some(Phase::Done { by }) = self.marks.get(mark) {
                learnt.entry(by.clone()).or_default().push(mark.1);
            }
        }
        learnt
    }

    fn make_room(&mut self, new: usize, now: Timestamp) -> Result<(), Full> {
        if self.marks.len() + new > self.capacity {
            self.clear(now);
        }
        let claimed = self.marks.len() - self.done.len();
        if claimed + new > self.capacity {
            return Err(Full);
        }
        self.shrink_to(self.capacity - new);
        Ok(())
    }

    /// Lets go of claims whose lease has ended.
    fn clear(&mut self, now: Timestamp) {
        self.marks.retain(|_, phase| match phase {
            Phase::Claimed { until, .. } => *until > now,
            Phase::Done { .. } => true,
        });
    }

    fn shrink_to(&mut self, size: usize) {
        while self.marks.len() > size
            && let Some(oldest) = self.done.pop_front()
        {
            self.marks.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
