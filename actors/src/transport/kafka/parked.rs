//! Parked events in a group's changelog: they lie beside its state, are brought back with it, and depend on no other topic.
//!
//! The epoch of the owner that wrote a record is part of its key, so that no owner's record takes the place of another's. An owner
//! writes all that it has found again, as its own, before its first commit: what lies there under an epoch below that of the last
//! commit was written late, by an owner that had lost the partition, and is passed over.

mod form;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use pandaflow::{
    Clock, Offset, Record, SystemClock, TopicName,
    ports::{ParkChange, ParkedEvent, Settlement, StoreError},
};

pub(super) use self::form::{PARKED, read};
use self::form::{key, value};
use super::{changelog::Entry, core::Core, failure::store_error, owners::Life, record::Outbound};

/// Bytes of a record beside those of the event, at most.
const OVERHEAD: usize = 1024;

/// An event's topic and offset.
type Place = (TopicName, Offset);

/// What is parked of one partition, by its changelog.
#[derive(Debug, Default)]
pub(super) struct ParkedEvents {
    /// By the epoch of who wrote it.
    known: BTreeMap<Place, BTreeMap<u64, ParkedEvent>>,
    /// Records that are to be removed.
    outdated: Vec<(Place, u64)>,
    /// Whether what was found is to be written again, before anything is committed.
    to_adopt: bool,
}

impl ParkedEvents {
    /// Takes a record in.
    pub(super) fn take_in(&mut self, place: Place, epoch: u64, event: Option<ParkedEvent>) {
        if let Some(event) = event {
            self.known.entry(place).or_default().insert(epoch, event);
        } else if let Some(by_epoch) = self.known.get_mut(&place) {
            by_epoch.remove(&epoch);
            if by_epoch.is_empty() {
                self.known.remove(&place);
            }
        }
    }

    /// All has been read, and the last commit was made in this epoch: of each event the record of the latest owner counts.
    pub(super) fn found(&mut self, committed: u64) {
        let Self { known, outdated, .. } = self;
        known.retain(|place, by_epoch| {
            let latest = by_epoch.keys().next_back().copied().filter(|latest| *latest >= committed);
            let others = by_epoch.keys().filter(|epoch| Some(**epoch) != latest);
            outdated.extend(others.map(|epoch| (place.clone(), *epoch)));
            by_epoch.retain(|epoch, _| Some(*epoch) == latest);
            !by_epoch.is_empty()
        });
        self.to_adopt = !self.known.is_empty() || !self.outdated.is_empty();
    }

    /// The highest epoch that something is parked in.
    pub(super) fn newest_epoch(&self) -> u64 {
        self.known.values().flat_map(BTreeMap::keys).max().copied().unwrap_or(0)
    }

    /// What was found is written again, and what is not parked any more is removed.
    pub(super) fn adopted(&mut self) {
        self.outdated.clear();
        self.to_adopt = false;
    }

    /// Whether there is something to write though nothing has changed.
    pub(super) fn is_to_adopt(&self) -> bool {
        self.to_adopt
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What is parked.
    pub(super) fn events(&self) -> impl Iterator<Item = &ParkedEvent> {
        self.known.values().filter_map(|by_epoch| by_epoch.values().next_back())
    }

    /// A topic was made anew: its offsets mean other events from now on, and those that were parked of it are let go of. Tells how
    /// many that are.
    pub(super) fn forget_log(&mut self, topic: &TopicName) -> usize {
        let before = self.known.len();
        let Self { known, outdated, .. } = self;
        known.retain(|place, by_epoch| {
            let stays = place.0 != *topic;
            if !stays {
                outdated.extend(by_epoch.keys().map(|epoch| (place.clone(), *epoch)));
            }
            stays
        });
        before - self.known.len()
    }

    /// Whether an event is parked that the log of its topic doesn't reach.
    pub(super) fn knows_beyond(&self, topic: &TopicName, end: Offset) -> bool {
        self.known.keys().any(|(known, offset)| known == topic && *offset >= end)
    }
}

/// The last word of settlements on each event, in the order in which they came.
fn last_words<'a>(settlements: &[&'a Settlement]) -> Vec<((&'a TopicName, Offset), Option<&'a ParkedEvent>)> {
    let changes = settlements.iter().flat_map(|settlement| &settlement.parking);
    let word = |change: &'a ParkChange| match change {
        ParkChange::Parked(event) => ((&event.record.topic, event.record.offset), Some(&**event)),
        ParkChange::Ended { topic, offset } => ((topic, *offset), None),
    };
    let words: Vec<_> = changes.map(word).collect();
    let mut spoken = HashSet::new();
    let mut last: Vec<_> = words.into_iter().rev().filter(|(place, _)| spoken.insert(*place)).collect();
    last.reverse();
    last
}

/// Events that are parked, as records of the changelog, and what they mean; with them those that the owner has found.
pub(super) fn parked_records(
    topic: &Arc<str>,
    life: &Life,
    settlements: &[&Settlement],
) -> (Vec<Outbound>, Vec<Entry>) {
    let words = last_words(settlements);
    let (mut records, mut entries) = (Vec::new(), Vec::new());
    let mut put = |place: (&TopicName, Offset), epoch: u64, event: Option<&ParkedEvent>| {
        records.push(record(topic, life, place, epoch, event));
        entries.push(Entry::Parked((place.0.clone(), place.1), epoch, event.cloned().map(Box::new)));
    };
    let own = life.owner.epoch.0;
    let table = life.table();
    let parked = &table.parked;
    if parked.to_adopt {
        let spoken: HashSet<_> = words.iter().map(|(place, _)| *place).collect();
        for ((of, offset), by_epoch) in &parked.known {
            for (epoch, event) in by_epoch.iter().filter(|(epoch, _)| **epoch != own) {
                if !spoken.contains(&(of, *offset)) {
                    put((of, *offset), own, Some(event));
                    put((of, *offset), *epoch, None);
                }
            }
        }
        for ((of, offset), epoch) in &parked.outdated {
            put((of, *offset), *epoch, None);
        }
    }
    for ((of, offset), event) in words {
        let Some(event) = event else { continue };
        put((of, offset), own, Some(event));
        let by_epoch = parked.known.get(&(of.clone(), offset));
        for epoch in by_epoch.into_iter().flat_map(BTreeMap::keys).filter(|epoch| **epoch != own) {
            put((of, offset), *epoch, None);
        }
    }
    if parked.to_adopt {
        entries.push(Entry::Adopted);
    }
    drop(table);
    (records, entries)
}

/// Parked events that have ended, in the same way. They are written once all that follows from them is real: what is still parked
/// then is tried again, and found to be done.
pub(super) fn ended_records(
    topic: &Arc<str>,
    life: &Life,
    settlements: &[&Settlement],
) -> (Vec<Outbound>, Vec<Entry>) {
    let table = life.table();
    let mut both = Vec::new();
    for ((of, offset), _) in last_words(settlements).into_iter().filter(|(_, event)| event.is_none()) {
        let place = (of.clone(), offset);
        let known = table.parked.known.get(&place).into_iter().flat_map(BTreeMap::keys).copied();
        let epochs: BTreeSet<u64> = known.chain([life.owner.epoch.0]).collect();
        both.extend(epochs.into_iter().map(|epoch| {
            (record(topic, life, (of, offset), epoch, None), Entry::Parked(place.clone(), epoch, None))
        }));
    }
    both.into_iter().unzip()
}

fn record(
    topic: &Arc<str>,
    life: &Life,
    (of, offset): (&TopicName, Offset),
    epoch: u64,
    event: Option<&ParkedEvent>,
) -> Outbound {
    Outbound {
        topic: Arc::clone(topic),
        partition: life.owner.partition,
        timestamp: SystemClock.now().0,
        key: Some(key(of, offset, epoch)),
        value: event.map(value),
        headers: None,
    }
}

/// Whether a record is short enough to be parked.
pub(super) fn fits(core: &Core, record: &Record) -> bool {
    record.size() + record.topic.len() + OVERHEAD <= core.config.record_limit()
}

/// Whether an event can be parked at all.
pub(super) fn check_parked(core: &Core, change: &ParkChange) -> Result<(), StoreError> {
    let ParkChange::Parked(event) = change else { return Ok(()) };
    let record = &event.record;
    if !fits(core, record) {
        let (size, limit) = (record.size() + record.topic.len() + OVERHEAD, core.config.record_limit());
        return Err(store_error(format!(
            "the event {}[{}]@{} has to be parked, which takes a record of {size} bytes in the changelog, and the limit is {limit}: \
             raise KAFKA__PROPERTY__MESSAGE_MAX_BYTES, and max.message.bytes of the changelog's topic",
            record.topic, record.partition, record.offset
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pandaflow::{Headers, Partition, Timestamp};

    use super::*;

    fn event(offset: u64) -> ParkedEvent {
        let record = Record {
            topic: TopicName::new("t"),
            partition: Partition(0),
            offset: Offset(offset),
            timestamp: Timestamp(0),
            key: None,
            value: None,
            headers: Headers::default(),
        };
        ParkedEvent { place: offset, record, attempts: 1, first_failed: None, due: None }
    }

    #[test]
    fn what_an_owner_wrote_late_is_passed_over() {
        let place = |offset| (TopicName::new("t"), Offset(offset));
        let mut parked = ParkedEvents::default();
        parked.take_in(place(1), 3, Some(event(1)));
        parked.take_in(place(1), 5, Some(event(1)));
        parked.take_in(place(2), 5, Some(event(2)));
        // Of the owner of epoch 4, who didn't know that it had lost the partition.
        parked.take_in(place(1), 4, Some(event(1)));
        parked.take_in(place(2), 4, None);
        parked.take_in(place(3), 4, Some(event(3)));
        // Of one that has begun and not committed.
        parked.take_in(place(4), 6, Some(event(4)));
        parked.found(5);
        let offsets: Vec<u64> = parked.events().map(|event| event.record.offset.0).collect();
        assert_eq!(offsets, [1, 2, 4]);
        assert_eq!(parked.outdated, [(place(1), 3), (place(1), 4), (place(3), 4)]);
        assert!(parked.is_to_adopt());
        assert_eq!(parked.newest_epoch(), 6);
    }
}
