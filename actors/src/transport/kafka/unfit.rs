//! Records that the broker has refused for good: what is known of them, so that nobody tries the same again.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use pandaflow::Partition;

use super::record::Outbound;

/// Records that are remembered, at most: one for each event that has failed so, until it has become a dead letter.
const REMEMBERED: usize = 1024;

/// What a record is known by once it has been sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Likeness {
    /// The topic's name on the broker.
    pub(super) topic: String,
    pub(super) partition: Partition,
    key: Option<Bytes>,
    value: Option<Bytes>,
    /// Bytes of key, value and headers.
    pub(super) size: usize,
}

impl Likeness {
    pub(super) fn of(record: &Outbound) -> Self {
        Self {
            topic: record.topic.as_ref().into(),
            partition: record.partition,
            key: record.key.clone(),
            value: record.value.clone(),
            size: record.size(),
        }
    }
}

/// Without what is in it: that is for no log.
impl fmt::Debug for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes for {}[{}]", self.size, self.topic, self.partition)
    }
}

/// A record that the broker, asked for it alone, has refused for good, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) record: Likeness,
    pub(super) why: String,
}

/// Refused records of this process, by what is in them.
#[derive(Default)]
pub(super) struct Unfit(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    refused: VecDeque<u64>,
    /// Per topic on the broker, the size of the smallest record that it has refused.
    sizes: HashMap<String, usize>,
}

impl Unfit {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn remember(&self, record: &Likeness) {
        let mut inside = self.inside();
        if inside.refused.len() >= REMEMBERED {
            inside.refused.pop_front();
        }
        inside.refused.push_back(mark(&record.topic, record.key.as_deref(), record.value.as_deref()));
        let smallest = inside.sizes.entry(record.topic.clone()).or_insert(record.size);
        *smallest = record.size.min(*smallest);
    }

    /// Whether a record with these contents has been refused.
    pub(super) fn knows(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        let inside = self.inside();
        !inside.refused.is_empty() && inside.refused.contains(&mark(topic, key, value))
    }

    /// Bytes that a record of this topic must stay below, as far as that has shown.
    pub(super) fn below(&self, topic: &str) -> usize {
        self.inside().sizes.get(topic).copied().unwrap_or(usize::MAX)
    }
}

fn mark(topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (topic, key, value).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &'static [u8], size: usize) -> Likeness {
        let value = Some(Bytes::from_static(value));
        Likeness { topic: "t".into(), partition: Partition(0), key: None, value, size }
    }

    #[test]
    fn a_record_that_was_refused_is_known_by_what_is_in_it() {
        let unfit = Unfit::default();
        assert!(!unfit.knows("t", None, Some(b"large")));
        unfit.remember(&record(b"large", 900));
        unfit.remember(&record(b"larger", 1000));
        assert!(unfit.knows("t", None, Some(b"large")) && unfit.knows("t", None, Some(b"larger")));
        assert!(!unfit.knows("t", None, Some(b"other")) && !unfit.knows("u", None, Some(b"large")));
        assert_eq!((unfit.below("t"), unfit.below("u")), (900, usize::MAX));
    }

    #[test]
    fn what_is_in_a_refused_record_is_told_to_no_log() {
        assert_eq!(format!("{:?}", record(b"secret", 900)), "900 bytes for t[0]");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let unfit = Unfit::default();
        for _ in 0..2 * REMEMBERED {
            unfit.remember(&record(b"large", 1));
        }
        assert_eq!(unfit.inside().refused.len(), REMEMBERED);
    }
}
