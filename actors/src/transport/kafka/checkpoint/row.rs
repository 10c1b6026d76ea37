//! The record that stands for a key in a checkpoint, and which of two it is: the same rules by which an owner or a table takes
//! the log in, so that what was summed up means the same as the log.

use std::collections::HashMap;

use bytes::Bytes;
use pandaflow::{Header, Headers, Timestamp, TopicName};
use rdkafka::{
    Message,
    message::{BorrowedMessage, Timestamp as Brokers},
};

use super::mark::Witness;
use crate::transport::{
    checksum::Checksum,
    kafka::{
        changelog::{self, APPLIED, Entry},
        record::record_of,
    },
};

/// What a log's records mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::transport::kafka) enum Kind {
    /// A group's state: of a key's records the one of the latest owner counts.
    Changelog,
    /// A table: of a key's records the last one counts.
    Table,
}

/// A record, and what is known of it beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport::kafka) struct Row {
    pub(in crate::transport::kafka) key: Bytes,
    pub(in crate::transport::kafka) offset: i64,
    /// The event's time.
    pub(in crate::transport::kafka) timestamp: Timestamp,
    pub(in crate::transport::kafka) value: Option<Bytes>,
    pub(in crate::transport::kafka) headers: Headers,
    /// Whether a later record of the key is that of an earlier owner.
    pub(in crate::transport::kafka) overwritten: bool,
    /// The broker's time of it.
    pub(super) written: i64,
    /// Of the owner that wrote it; 0 where owners don't matter.
    pub(super) epoch: u64,
    /// Whether nothing has to be kept of the key.
    pub(super) ends_key: bool,
}

/// What a record of the log is for a checkpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Row(Box<Row>),
    /// It has no key.
    Nothing,
    /// It is of a kind or version that this program doesn't know, so that it can't be summed up.
    Unknown,
}

impl Row {
    /// What it is in a changelog; `None` if this program doesn't know.
    pub(in crate::transport::kafka) fn entry(&self) -> Option<Entry> {
        let applied = self.headers.last(APPLIED).map(|header| &header[..]);
        changelog::read(&self.key, self.value.clone(), applied)
    }

    fn size(&self) -> usize {
        // What a row takes beside.
        const BESIDE: usize = 200;
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len) + self.headers.size() + BESIDE
    }
}

/// What tells a record from another.
pub(super) fn witness(message: &BorrowedMessage<'_>) -> Witness {
    let print = Checksum::default().bytes(message.key()).bytes(message.payload()).end();
    Witness { offset: message.offset(), written: written(message), print }
}

fn written(message: &BorrowedMessage<'_>) -> i64 {
    match message.timestamp() {
        Brokers::CreateTime(millis) | Brokers::LogAppendTime(millis) => millis,
        Brokers::NotAvailable => 0,
    }
}

impl Kind {
    /// Takes a record of the log apart.
    pub(super) fn take(self, topic: &TopicName, message: &BorrowedMessage<'_>) -> Taken {
        let record = record_of(topic, message, Bytes::copy_from_slice);
        let Some(key) = record.key else { return Taken::Nothing };
        let row = Row {
            key,
            offset: message.offset(),
            timestamp: record.timestamp,
            value: record.value,
            headers: record.headers,
            overwritten: false,
            written: written(message),
            epoch: 0,
            ends_key: false,
        };
        match self {
            Self::Table => Taken::Row(Box::new(row)),
            Self::Changelog => of_changelog(row),
        }
    }
}

fn of_changelog(row: Row) -> Taken {
    let headers: Vec<Header> =
        row.headers.as_slice().iter().filter(|header| header.name == APPLIED.as_bytes()).cloned().collect();
    let row = Row { headers: Headers::new(headers), ..row };
    match row.entry() {
        None => Taken::Unknown,
        Some(Entry::State(_, state)) => Taken::Row(Box::new(Row { epoch: state.epoch, ..row })),
        Some(Entry::Attempts(_, failed)) => Taken::Row(Box::new(Row { ends_key: failed.is_none(), ..row })),
        Some(Entry::Parked(_, _, event)) => Taken::Row(Box::new(Row { ends_key: event.is_none(), ..row })),
        Some(Entry::Ranges(..) | Entry::Adopted) => Taken::Row(Box::new(row)),
    }
}

/// What becomes of a key's row when others have come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// This one takes its place.
    Replaced(Row),
    /// It stays, and is marked as overwritten.
    CoveredUp,
    /// Nothing is left.
    Ended,
}

/// What becomes of a row of this epoch, if there is one, when `later` has come.
pub(super) fn merge(known: Option<u64>, later: Row) -> Merged {
    match known {
        Some(epoch) if epoch > later.epoch => Merged::CoveredUp,
        _ if later.ends_key => Merged::Ended,
        _ => Merged::Replaced(later),
    }
}

/// Rows that came and are not written yet, one for each key.
#[derive(Debug, Default)]
pub(super) struct Pending {
    rows: HashMap<Bytes, Row>,
    bytes: usize,
    /// The last record that came, with a row or without.
    pub(super) last: Option<Witness>,
}

impl Pending {
    pub(super) fn take_in(&mut self, later: Row) {
        let Some(known) = self.rows.get_mut(&later.key) else {
            self.bytes += later.size();
            self.rows.insert(later.key.clone(), later);
            return;
        };
        if known.epoch > later.epoch {
            known.overwritten = true;
            return;
        }
        self.bytes = self.bytes + later.size() - known.size();
        *known = later;
    }

    /// Bytes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of them; none are left.
    pub(super) fn drain(&mut self) -> Vec<Row> {
        self.bytes = 0;
        self.rows.drain().map(|(_, row)| row).collect()
    }
}

#[cfg(test)]
mod tests;
