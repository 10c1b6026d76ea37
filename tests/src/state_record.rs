//! States in a group's changelog, with the owner that wrote each and the events that have gone into it.

use super::{broker_log::Written, bytes_reader::BytesReader};

/// A state as an owner wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRecord {
    /// Whose state it is: the key of the events.
    pub key: Vec<u8>,
    /// The epoch of the owner that wrote it.
    pub epoch: u64,
    /// Per input, the last event of the key that has gone in.
    pub applied: Vec<(String, u64)>,
}

impl StateRecord {
    /// Reads a record of a changelog; `None` if it is a count of attempts.
    ///
    /// # Panics
    /// If it is a state that doesn't say who wrote it.
    #[must_use]
    pub fn read(record: &Written) -> Option<Self> {
        let key = record.key.as_deref()?.strip_prefix(b"s")?.to_vec();
        let header = record.header("pandaflow-applied").expect("a state tells what has gone into it");
        let mut bytes = BytesReader(header.strip_prefix(&[1]).expect("version 1"));
        let epoch = bytes.varint().expect("the epoch comes first");
        let mut applied = Vec::new();
        while !bytes.is_empty() {
            let (topic, offset) = (bytes.short_text(), bytes.varint());
            applied.push((topic.expect("a topic"), offset.expect("an offset")));
        }
        Some(Self { key, epoch, applied })
    }
}
