//! What settlements of one owner change, row by row: of what is replaced by a later one, only the last.

use std::collections::HashMap;

use pandaflow::{
    DeadLetter, Offset, Outgoing, Timestamp, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{AttemptChange, FailedAttempts, ParkChange, ParkedEvent, Settlement},
};
use uuid::Uuid;

/// All of it, borrowed from the settlements.
#[derive(Default)]
pub(super) struct Changes<'a> {
    pub(super) outputs: Vec<&'a Outgoing>,
    /// The last state of each key; `None` removes it.
    pub(super) states: HashMap<&'a [u8], Option<&'a [u8]>>,
    /// Per topic and key, the last event that has gone into the key's state on the broker and is not settled.
    pub(super) applied: HashMap<(&'a TopicName, &'a [u8]), Offset>,
    /// Until when each id is done.
    pub(super) marks: HashMap<Uuid, Timestamp>,
    pub(super) dead_letters: Vec<&'a DeadLetter>,
    /// Events that failed; `None` for those that have ended.
    pub(super) attempts: HashMap<(&'a TopicName, Offset), Option<&'a FailedAttempts>>,
    /// Events that are parked; `None` for those that have ended.
    pub(super) parking: HashMap<(&'a TopicName, Offset), Option<&'a ParkedEvent>>,
    pub(super) progress: HashMap<&'a TopicName, &'a Progress>,
    pub(super) ledger: Ledger,
}

impl<'a> Changes<'a> {
    /// Of these settlements, one after the other.
    pub(super) fn of(settlements: &'a [Settlement]) -> Self {
        let mut changes = Self::default();
        for settlement in settlements {
            changes.outputs.extend(&settlement.outputs);
            for change in &settlement.states {
                changes.states.insert(&change.key, change.value.as_deref());
                let last = |(topic, last): &'a (TopicName, Offset)| ((topic, &change.key[..]), *last);
                changes.applied.extend(change.applied.iter().map(last));
            }
            changes.marks.extend(settlement.marks.iter().map(|mark| (mark.id.0, mark.expires)));
            changes.dead_letters.extend(&settlement.dead_letters);
            for change in &settlement.attempts {
                match change {
                    AttemptChange::Failed(failed) => {
                        changes.attempts.insert((&failed.topic, failed.offset), Some(failed))
                    }
                    AttemptChange::Ended { topic, offset } => changes.attempts.insert((topic, *offset), None),
                };
            }
            for change in &settlement.parking {
                match change {
                    ParkChange::Parked(event) => {
                        changes.parking.insert((&event.record.topic, event.record.offset), Some(event))
                    }
                    ParkChange::Ended { topic, offset } => changes.parking.insert((topic, *offset), None),
                };
            }
            changes.progress.extend(settlement.progress.iter().map(|(topic, progress)| (topic, progress)));
            changes.ledger = settlement.ledger;
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pandaflow::{
        Epoch, Group, Partition,
        ports::{Owner, StateChange},
    };

    use super::*;

    #[test]
    fn the_last_of_several_changes_counts() {
        let owner = Owner { group: Group::from("g"), partition: Partition(0), epoch: Epoch(1) };
        let topic = TopicName::new("paper.in");
        let failed = |offset, attempts| {
            let offset = Offset(offset);
            let first_failed = Timestamp(1);
            AttemptChange::Failed(FailedAttempts { topic: topic.clone(), offset, attempts, first_failed })
        };
        let ended = AttemptChange::Ended { topic: topic.clone(), offset: Offset(1) };
        let settlement = |state, attempts, next| Settlement {
            states: vec![StateChange::new(Bytes::from_static(b"k"), state)],
            attempts,
            progress: vec![(topic.clone(), Progress::at(Offset(next)))],
            ledger: Ledger { consumed: next, ..Ledger::default() },
            ..Settlement::empty(owner.clone())
        };
        let settlements = [
            settlement(Some(Bytes::from_static(b"1")), vec![failed(1, 1), failed(2, 1)], 1),
            settlement(None, vec![ended, failed(2, 2)], 2),
        ];
        let changes = Changes::of(&settlements);
        assert_eq!(changes.states, HashMap::from([(b"k".as_slice(), None)]));
        assert_eq!(changes.attempts[&(&topic, Offset(1))], None);
        assert_eq!(changes.attempts[&(&topic, Offset(2))].map(|failed| failed.attempts), Some(2));
        assert_eq!(changes.progress[&topic].next, Offset(2));
        assert_eq!(changes.ledger.consumed, 2);
    }
}
