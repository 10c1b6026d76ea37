//! Events that have gone into their key's state in an earlier life, though their settlement was cut short.

use std::collections::HashMap;

use bytes::Bytes;
use pandaflow::{Offset, Record, TopicName, ports::Applied};

/// Per input and key, the last event that has gone into the key's state.
#[derive(Debug, Default)]
pub(crate) struct AppliedEvents(HashMap<(usize, Bytes), Offset>);

impl AppliedEvents {
    /// From what the store tells; `place` finds the input of a topic.
    pub(crate) fn new(applied: Vec<Applied>, place: impl Fn(&TopicName) -> Option<usize>) -> Self {
        let known = |Applied { key, topic, last }| Some(((place(&topic)?, key), last));
        Self(applied.into_iter().filter_map(known).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record's event has gone in.
    pub(crate) fn knows(&self, input: usize, record: &Record) -> bool {
        let place = (input, record.key.clone().unwrap_or_default());
        self.0.get(&place).is_some_and(|last| record.offset <= *last)
    }

    /// As [`AppliedEvents::knows`], of an event that comes from the log. The events of a key come in order: behind the last one nothing is
    /// remembered of it.
    pub(crate) fn contains(&mut self, input: usize, record: &Record) -> bool {
        let place = (input, record.key.clone().unwrap_or_default());
        let Some(last) = self.0.get(&place).copied() else { return false };
        if record.offset >= last {
            self.0.remove(&place);
        }
        record.offset <= last
    }
}

#[cfg(test)]
mod tests {
    use pandaflow::{Headers, Partition, Timestamp};

    use super::*;

    #[test]
    fn events_up_to_the_last_one_are_known_and_then_forgotten() {
        let topic = TopicName::new("t");
        let last = Applied { key: Bytes::from_static(b"k"), topic: topic.clone(), last: Offset(5) };
        let mut applied = AppliedEvents::new(vec![last], |name| (*name == topic).then_some(0));
        let mut contains = |key: &'static str, offset| {
            let record = Record {
                topic: topic.clone(),
                partition: Partition(0),
                offset: Offset(offset),
                timestamp: Timestamp(0),
                key: Some(Bytes::from_static(key.as_bytes())),
                value: None,
                headers: Headers::default(),
            };
            applied.contains(0, &record)
        };
        let found = [("k", 3), ("other", 4), ("k", 5), ("k", 6)].map(|(key, offset)| contains(key, offset));
        assert_eq!(found, [true, false, true, false]);
        assert!(applied.is_empty());
    }
}
