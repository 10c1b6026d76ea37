//! Commits of groups as a broker keeps them, with what the project writes beside an offset.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{broker_log::Written, bytes_reader::BytesReader};

/// One offset of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The group, as it is called on the broker.
    pub group: String,
    /// The topic, as it is called on the broker.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The first offset that is not settled.
    pub next: i64,
    /// When the broker took it, in milliseconds since 1970.
    pub at: i64,
    /// Of an owner's commits, those for its changelog: who it was, and what it had settled in all.
    pub tally: Option<Tally>,
}

/// An owner's epoch and ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The owner's epoch.
    pub epoch: u64,
    /// Events that were consumed.
    pub consumed: u64,
    /// Those that ended, of all kinds.
    pub ended: u64,
}

impl Commit {
    /// Reads a record of the broker's topic of commits; `None` if it is something else, or takes a commit back.
    pub(crate) fn read(record: &Written) -> Option<Self> {
        let mut key = BytesReader(record.key.as_deref()?);
        if !matches!(key.i16()?, 0 | 1) {
            return None;
        }
        let (group, topic, partition) = (key.text()?, key.text()?, key.i32()?);
        let mut value = BytesReader(record.value.as_deref()?);
        let version = value.i16()?;
        let next = value.i64()?;
        if version >= 3 {
            value.i32()?; // the leader's epoch
        }
        // From version 4 on lengths are written in as few bytes as they need, 0 being no text at all.
        let note = if version >= 4 { value.compact_text()? } else { value.text()? };
        let at = value.i64()?;
        Some(Self { group, topic, partition, next, at, tally: Tally::read(&note) })
    }
}

impl Tally {
    fn read(note: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(note).ok()?;
        let mut bytes = BytesReader(bytes.strip_prefix(&[1, 2])?);
        let (epoch, consumed) = (bytes.varint()?, bytes.varint()?);
        // Succeeded, filtered, duplicate, dead-lettered, parked; a commit by transaction has its number behind them.
        let mut ended = 0;
        for _ in 0..5 {
            ended += bytes.varint()?;
        }
        Some(Self { epoch, consumed, ended })
    }
}
