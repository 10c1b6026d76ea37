//! Records of a group's changelog: state per key, and counts of failed attempts. One partition an owner, compacted.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes};
use hashbrown::HashMap;
use pandaflow::{
    Epoch, Offset, Timestamp, TopicName,
    ports::{FailedAttempts, ParkedEvent, StateChange},
};

use super::{
    parked::{self, PARKED, ParkedEvents},
    varint,
};

/// The header that tells what has gone into a state.
pub(super) const APPLIED: &str = "pandaflow-applied";
const VERSION: u8 = 1;
const STATE: u8 = b's';
const ATTEMPTS: u8 = b'a';
const RANGES: u8 = b'r';

/// What a key's state is, and what has gone into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// `None` once it was removed.
    pub(super) value: Option<Bytes>,
    /// Who wrote it.
    pub(super) epoch: u64,
    /// Per topic, the last event of the key that has gone in.
    pub(super) applied: Vec<(TopicName, Offset)>,
}

/// A record of a changelog, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    State(Bytes, State),
    Attempts((TopicName, Offset), Option<FailedAttempts>),
    /// What is parked, by the epoch of who wrote it; `None` once it has ended.
    Parked((TopicName, Offset), u64, Option<Box<ParkedEvent>>),
    /// All that was parked before is written again: never read, only written.
    Adopted,
    /// What was settled above the watermark of a topic, where a note has no room for it.
    Ranges(TopicName, Vec<(Offset, Offset)>),
}

pub(super) fn state_key(key: &[u8]) -> Bytes {
    [&[STATE][..], key].concat().into()
}

pub(super) fn attempts_key(topic: &TopicName, offset: Offset) -> Bytes {
    let mut bytes = vec![ATTEMPTS];
    bytes.put_u64(offset.0);
    bytes.extend_from_slice(topic.as_bytes());
    bytes.into()
}

pub(super) fn attempts_value(failed: &FailedAttempts) -> Bytes {
    let mut bytes = vec![VERSION];
    bytes.put_u32(failed.attempts);
    bytes.put_i64(failed.first_failed.0);
    bytes.into()
}

pub(super) fn ranges_key(topic: &TopicName) -> Bytes {
    [&[RANGES][..], topic.as_bytes()].concat().into()
}

pub(super) fn ranges_value(above: &[(Offset, Offset)]) -> Bytes {
    let (mut bytes, mut before) = (vec![VERSION], 0);
    for (first, last) in above {
        varint::put(&mut bytes, first.0.saturating_sub(before));
        varint::put(&mut bytes, last.0.saturating_sub(first.0));
        before = last.0;
    }
    bytes.into()
}

fn read_ranges(value: &[u8]) -> Option<Vec<(Offset, Offset)>> {
    let (VERSION, mut bytes) = value.split_first().map(|(version, rest)| (*version, rest))? else {
        return None;
    };
    let (mut above, mut before) = (Vec::new(), 0_u64);
    while !bytes.is_empty() {
        let first = before.checked_add(varint::take(&mut bytes)?)?;
        before = first.checked_add(varint::take(&mut bytes)?)?;
        above.push((Offset(first), Offset(before)));
    }
    Some(above)
}

/// The header of a state record.
pub(super) fn applied_header(epoch: Epoch, applied: &[(TopicName, Offset)]) -> Bytes {
    let mut bytes = vec![VERSION];
    varint::put(&mut bytes, epoch.0);
    for (topic, offset) in applied {
        varint::put_bytes(&mut bytes, topic.as_bytes());
        varint::put(&mut bytes, offset.0);
    }
    bytes.into()
}

fn read_applied(header: &[u8]) -> Option<(u64, Vec<(TopicName, Offset)>)> {
    let (VERSION, mut bytes) = header.split_first().map(|(version, rest)| (*version, rest))? else {
        return None;
    };
    let epoch = varint::take(&mut bytes)?;
    let mut applied = Vec::new();
    while !bytes.is_empty() {
        let topic = std::str::from_utf8(varint::take_bytes(&mut bytes)?).ok()?;
        applied.push((TopicName::new(topic), Offset(varint::take(&mut bytes)?)));
    }
    Some((epoch, applied))
}

/// Takes a record apart; `None` if it is of a version or kind that this program doesn't know.
pub(super) fn read(key: &[u8], value: Option<Bytes>, header: Option<&[u8]>) -> Option<Entry> {
    match key.split_first()? {
        (&STATE, key) => {
            let (epoch, applied) = match header {
                Some(header) => read_applied(header)?,
                None => Default::default(),
            };
            Some(Entry::State(Bytes::copy_from_slice(key), State { value, epoch, applied }))
        }
        (&ATTEMPTS, rest) => {
            let (offset, topic) = rest.split_first_chunk()?;
            let offset = Offset(u64::from_be_bytes(*offset));
            let topic = TopicName::new(std::str::from_utf8(topic).ok()?);
            let failed = match value.as_deref() {
                None => None,
                Some([VERSION, a, b, c, d, first @ ..]) => Some(FailedAttempts {
                    topic: topic.clone(),
                    offset,
                    attempts: u32::from_be_bytes([*a, *b, *c, *d]),
                    first_failed: Timestamp(i64::from_be_bytes(first.try_into().ok()?)),
                }),
                Some(_) => return None,
            };
            Some(Entry::Attempts((topic, offset), failed))
        }
        (&PARKED, rest) => parked::read(rest, value),
        (&RANGES, topic) => {
            let above = read_ranges(value.as_deref().unwrap_or(&[VERSION]))?;
            Some(Entry::Ranges(TopicName::new(std::str::from_utf8(topic).ok()?), above))
        }
        _ => None,
    }
}

/// The latest of everything in one partition of a changelog.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) states: HashMap<Bytes, State>,
    pub(super) attempts: BTreeMap<(TopicName, Offset), FailedAttempts>,
    pub(super) parked: ParkedEvents,
    /// What was settled above the watermarks some time, as far as notes had no room for it. It stays true as long as the
    /// topic's log is the same.
    pub(super) ranges: BTreeMap<TopicName, Vec<(Offset, Offset)>>,
    /// Topics whose ranges are of a log that is no more.
    pub(super) outdated: BTreeSet<TopicName>,
    /// Keys whose last record in the log is that of an earlier owner, who wrote it after a later one had written.
    pub(super) overwritten: BTreeSet<Bytes>,
    /// Keys whose state was removed, and that are kept for what has gone into it.
    removed: BTreeSet<Bytes>,
}

impl Table {
    /// Takes a record in. What an owner wrote after a later one had written is passed over: that one doesn't know it.
    pub(super) fn take_in(&mut self, entry: Entry) {
        match entry {
            Entry::State(key, state) => {
                if self.states.get(&key).is_some_and(|known| known.epoch > state.epoch) {
                    self.overwritten.insert(key);
                    return;
                }
                self.overwritten.remove(&key);
                if state.value.is_none() {
                    self.removed.insert(key.clone());
                } else {
                    self.removed.remove(&key);
                }
                self.states.insert(key, state);
            }
            Entry::Attempts(event, Some(failed)) => drop(self.attempts.insert(event, failed)),
            Entry::Attempts(event, None) => drop(self.attempts.remove(&event)),
            Entry::Parked(place, epoch, event) => {
                self.parked.take_in(place, epoch, event.map(|event| *event))
            }
            Entry::Adopted => self.parked.adopted(),
            Entry::Ranges(topic, above) => drop(self.ranges.insert(topic, above)),
        }
    }

    /// Takes in the record that stands for a key in a checkpoint. `overwritten`: a late record of an earlier owner follows it
    /// in the log.
    pub(super) fn restore(&mut self, entry: Entry, overwritten: bool) {
        if let Entry::State(key, _) = &entry
            && overwritten
        {
            let key = key.clone();
            self.take_in(entry);
            self.overwritten.insert(key);
        } else {
            self.take_in(entry);
        }
    }

    /// Whether the log says the same as the table.
    pub(super) fn is_right(&self) -> bool {
        self.overwritten.is_empty() && self.outdated.is_empty()
    }

    /// Lets go of removed states of which nothing is remembered that isn't settled: keys come and go.
    pub(super) fn let_go(&mut self, settled: impl Fn(&TopicName, Offset) -> bool) {
        // A parked event that has gone in lies below the progress.
        let parked: BTreeSet<Bytes> =
            self.parked.events().map(|event| event.record.key.clone().unwrap_or_default()).collect();
        let Self { states, overwritten, removed, .. } = self;
        removed.retain(|key| {
            let is_settled = |state: &State| state.applied.iter().all(|(topic, last)| settled(topic, *last));
            // What is to be written again is still needed.
            let kept = parked.contains(key)
                || overwritten.contains(key)
                || states.get(key).is_some_and(|state| !is_settled(state));
            if !kept {
                states.remove(key);
            }
            kept
        });
    }

    /// The highest epoch that a state was written in, or that something is parked in.
    pub(super) fn newest_epoch(&self) -> u64 {
        self.states.values().map(|state| state.epoch).max().unwrap_or(0).max(self.parked.newest_epoch())
    }

    /// A topic's log is another than the one that was read, so that its offsets mean other events. What is remembered of the
    /// earlier ones goes; the states are to be written again without it.
    pub(super) fn forget_log(&mut self, topic: &TopicName) {
        self.attempts.retain(|(known, _), _| known != topic);
        let parked = self.parked.forget_log(topic);
        if parked > 0 {
            log::error!("kafka: {parked} parked events of {topic} are let go of, as the topic was made anew");
        }
        if self.ranges.remove(topic).is_some() {
            self.outdated.insert(topic.clone());
        }
        for (key, state) in &mut self.states {
            let before = state.applied.len();
            state.applied.retain(|(known, _)| known != topic);
            if state.applied.len() < before {
                self.overwritten.insert(key.clone());
            }
        }
    }

    /// Whether something of a topic has gone into a state that its log doesn't have.
    pub(super) fn knows_beyond(&self, topic: &TopicName, end: Offset) -> bool {
        let beyond = |(known, offset): &(TopicName, Offset)| known == topic && *offset >= end;
        let ranges = self.ranges.get(topic).and_then(|ranges| ranges.last());
        self.states.values().any(|state| state.applied.iter().any(beyond))
            || self.attempts.keys().any(beyond)
            || self.parked.knows_beyond(topic, end)
            || ranges.is_some_and(|(_, last)| *last >= end)
    }

    /// What a key's state will have in it with this change.
    pub(super) fn applied_with(&self, change: &StateChange) -> Vec<(TopicName, Offset)> {
        let mut applied = self.states.get(&change.key).map(|state| state.applied.clone()).unwrap_or_default();
        for (topic, offset) in &change.applied {
            match applied.iter_mut().find(|(known, _)| known == topic) {
                Some((_, last)) => *last = *offset.max(last),
                None => applied.push((topic.clone(), *offset)),
            }
        }
        applied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied() -> Vec<(TopicName, Offset)> {
        vec![(TopicName::new("paper.in"), Offset(300))]
    }

    /// Frozen: what version 1 wrote is read by every later one.
    #[test]
    fn the_written_form_is_frozen() {
        let header = applied_header(Epoch(5), &applied());
        assert_eq!(&header[..], b"\x01\x05\x08paper.in\xac\x02");
        assert_eq!(&state_key(b"k")[..], b"sk");
        let value = Some(Bytes::from_static(b"{}"));
        let state = State { value: value.clone(), epoch: 5, applied: applied() };
        assert_eq!(read(b"sk", value, Some(&header)), Some(Entry::State(Bytes::from_static(b"k"), state)));

        let topic = TopicName::new("t");
        let failed = FailedAttempts {
            topic: topic.clone(),
            offset: Offset(9),
            attempts: 3,
            first_failed: Timestamp(1000),
        };
        let (key, value) = (attempts_key(&topic, Offset(9)), attempts_value(&failed));
        assert_eq!(&key[..], b"a\0\0\0\0\0\0\0\x09t");
        assert_eq!(&value[..], b"\x01\0\0\0\x03\0\0\0\0\0\0\x03\xe8");
        assert_eq!(
            read(&key, Some(value), None),
            Some(Entry::Attempts((topic.clone(), Offset(9)), Some(failed)))
        );

        let above = vec![(Offset(12), Offset(14)), (Offset(1000), Offset(1000))];
        let (key, value) = (ranges_key(&topic), ranges_value(&above));
        assert_eq!((&key[..], &value[..]), (&b"rt"[..], &b"\x01\x0c\x02\xda\x07\x00"[..]));
        assert_eq!(read(&key, Some(value), None), Some(Entry::Ranges(topic, above)));
    }

    #[test]
    fn what_is_unknown_is_passed_over() {
        for (key, header) in [(&b""[..], None), (b"x", None), (b"sk", Some(&b"\x02\x05"[..])), (b"a\0", None)]
        {
            assert_eq!(read(key, None, header), None);
        }
    }

    #[test]
    fn a_late_record_of_an_earlier_owner_changes_nothing() {
        let mut table = Table::default();
        for (epoch, value) in [(2, "new"), (1, "late")] {
            let state = State { value: Some(value.into()), epoch, applied: Vec::new() };
            table.take_in(Entry::State(Bytes::from_static(b"k"), state));
        }
        assert_eq!(table.states[&b"k"[..]].value.as_deref(), Some(&b"new"[..]));
        assert!(table.overwritten.contains(&b"k"[..]), "the log is to be put right");
    }

    #[test]
    fn a_removed_state_is_let_go_once_all_that_has_gone_in_is_settled() {
        let mut table = Table::default();
        let state = |value: Option<&'static str>| State {
            value: value.map(Bytes::from),
            epoch: 1,
            applied: applied(),
        };
        for (key, value) in [("gone", None), ("there", Some("{}")), ("back", None), ("back", Some("{}"))] {
            table.take_in(Entry::State(Bytes::from_static(key.as_bytes()), state(value)));
        }
        table.let_go(|_, offset| offset < Offset(300));
        assert_eq!(table.states.len(), 3);
        table.let_go(|_, offset| offset < Offset(301));
        assert_eq!(table.states.len(), 2);
        assert!(!table.states.contains_key(&b"gone"[..]) && table.removed.is_empty());
    }

    #[test]
    fn a_log_that_is_another_is_forgotten_and_its_states_are_to_be_written_again() {
        let mut table = Table::default();
        let (topic, other) = (TopicName::new("paper.in"), TopicName::new("b"));
        let both = vec![(topic.clone(), Offset(300)), (other.clone(), Offset(1))];
        let state = |applied| State { value: Some(Bytes::from_static(b"{}")), epoch: 7, applied };
        table.take_in(Entry::State(Bytes::from_static(b"k"), state(both)));
        table.take_in(Entry::State(Bytes::from_static(b"l"), state(vec![(other.clone(), Offset(2))])));
        assert!(table.knows_beyond(&topic, Offset(300)) && !table.knows_beyond(&topic, Offset(301)));
        table.forget_log(&topic);
        assert_eq!(table.states[&b"k"[..]].applied, [(other, Offset(1))]);
        assert_eq!(table.overwritten.iter().collect::<Vec<_>>(), [&b"k"[..]]);
        assert_eq!(table.newest_epoch(), 7);
    }

    #[test]
    fn what_has_gone_in_adds_up_per_topic() {
        let mut table = Table::default();
        let state = State { value: None, epoch: 1, applied: applied() };
        table.take_in(Entry::State(Bytes::from_static(b"k"), state));
        let change = StateChange {
            applied: vec![(TopicName::new("b"), Offset(1)), (TopicName::new("paper.in"), Offset(301))],
            ..StateChange::new(Bytes::from_static(b"k"), None)
        };
        let expected = [(TopicName::new("paper.in"), Offset(301)), (TopicName::new("b"), Offset(1))];
        assert_eq!(table.applied_with(&change), expected);
    }
}
