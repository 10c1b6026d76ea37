//! The marks that wait for their store, in the order in which they came, and bounded.

use std::collections::{HashMap, VecDeque};

use pandaflow::ports::{Mark, Owner, StoreError};

#[derive(Debug)]
pub(super) struct Waiting {
    capacity: usize,
    marks: VecDeque<(Owner, Mark)>,
    /// The number of the mark in front; each has the next one.
    first: u64,
    /// Marks that were lost since there was no room.
    lost: usize,
    trouble: Option<StoreError>,
}

impl Waiting {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), marks: VecDeque::new(), first: 0, lost: 0, trouble: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// Keeps marks; the oldest make room. Whether there were none before.
    pub(super) fn keep(&mut self, owner: &Owner, marks: &[Mark]) -> bool {
        let was_empty = self.marks.is_empty();
        self.marks.extend(marks.iter().map(|mark| (owner.clone(), *mark)));
        let over = self.marks.len().saturating_sub(self.capacity);
        if over > 0 {
            if self.lost == 0 {
                log::warn!(
                    "over {} ids were handled while the dedup store is down: duplicates of the oldest are not found",
                    self.capacity
                );
            }
            self.lost += over;
            self.marks.drain(..over);
            self.first += over as u64;
        }
        was_empty && !self.marks.is_empty()
    }

    /// The oldest marks by owner, and the number that follows the last of them.
    pub(super) fn first(&self, limit: usize) -> (u64, HashMap<Owner, Vec<Mark>>) {
        let mut batch: HashMap<Owner, Vec<Mark>> = HashMap::new();
        for (owner, mark) in self.marks.iter().take(limit) {
            batch.entry(owner.clone()).or_default().push(*mark);
        }
        (self.first + self.marks.len().min(limit) as u64, batch)
    }

    /// The store has all before that number. Whether nothing waits any more.
    pub(super) fn taken(&mut self, end: u64) -> bool {
        while self.first < end && self.marks.pop_front().is_some() {
            self.first += 1;
        }
        if self.marks.is_empty() {
            self.lost = 0;
            self.trouble = None;
        }
        self.marks.is_empty()
    }

    pub(super) fn failed(&mut self, error: StoreError) {
        self.trouble = Some(error);
    }

    /// Why something waits.
    pub(super) fn trouble(&self) -> Result<(), StoreError> {
        self.trouble.clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use pandaflow::{Epoch, EventId, Partition, Timestamp};

    use super::*;

    fn owner(partition: u32) -> Owner {
        Owner { group: "g".into(), partition: Partition(partition), epoch: Epoch(1) }
    }

    fn mark(number: u128) -> Mark {
        Mark { id: EventId(uuid::Uuid::from_u128(number)), expires: Timestamp(0) }
    }

    #[test]
    fn what_made_room_while_a_batch_was_under_way_takes_nothing_else_along() {
        let mut waiting = Waiting::new(3);
        assert!(waiting.keep(&owner(0), &[mark(1), mark(2)]));
        let (end, batch) = waiting.first(10);
        assert_eq!(batch[&owner(0)].len(), 2);
        assert!(!waiting.keep(&owner(1), &[mark(3), mark(4)]), "1 makes room");
        assert!(!waiting.taken(end));
        let (end, batch) = waiting.first(10);
        assert_eq!(batch, HashMap::from([(owner(1), vec![mark(3), mark(4)])]));
        assert!(waiting.taken(end));
    }

    #[test]
    fn a_batch_is_the_oldest_marks_by_owner() {
        let mut waiting = Waiting::new(10);
        waiting.keep(&owner(0), &[mark(1)]);
        waiting.keep(&owner(1), &[mark(2), mark(3)]);
        let (end, batch) = waiting.first(2);
        assert_eq!(batch, HashMap::from([(owner(0), vec![mark(1)]), (owner(1), vec![mark(2)])]));
        assert!(!waiting.taken(end));
        assert_eq!(waiting.len(), 1);
    }
}
