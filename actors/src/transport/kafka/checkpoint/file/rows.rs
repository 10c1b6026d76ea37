//! Rows as they lie in the file, each with its checksum.

use std::time::Duration;

use diesel::prelude::*;
use pandaflow::Timestamp;

use super::{Stored, schema};
use crate::transport::{
    checksum::Checksum,
    headers_codec,
    kafka::checkpoint::{
        mark::{Mark, Witness},
        row::Row,
    },
};

/// The one row of `mark`.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::mark)]
pub(super) struct MarkRow {
    id: i32,
    pub(super) topic: String,
    pub(super) part: i64,
    off: i64,
    written_ms: i64,
    print: i64,
    end_off: i64,
    as_of_ms: i64,
    good_for_ms: i64,
    row_count: i64,
    row_sum: i64,
    tidied_ms: i64,
    tidied_off: i64,
    pub(super) crc: i64,
}

impl MarkRow {
    pub(super) fn of(topic: &str, part: i64, stored: &Stored) -> Self {
        let Mark { last, end, as_of, good_for } = stored.mark;
        let mut row = Self {
            id: 0,
            topic: topic.into(),
            part,
            off: last.offset,
            written_ms: last.written,
            print: last.print,
            end_off: end,
            as_of_ms: as_of,
            good_for_ms: i64::try_from(good_for.as_millis()).unwrap_or(i64::MAX),
            row_count: stored.rows,
            row_sum: stored.sum,
            tidied_ms: stored.tidied.0,
            tidied_off: stored.tidied.1,
            crc: 0,
        };
        row.crc = row.checksum();
        row
    }

    /// What it says; `None` if it is not as it was written.
    pub(super) fn checked(&self) -> Option<Stored> {
        if self.crc != self.checksum() {
            return None;
        }
        let last = Witness { offset: self.off, written: self.written_ms, print: self.print };
        let good_for = Duration::from_millis(u64::try_from(self.good_for_ms).ok()?);
        Some(Stored {
            mark: Mark { last, end: self.end_off, as_of: self.as_of_ms, good_for },
            rows: self.row_count,
            sum: self.row_sum,
            tidied: (self.tidied_ms, self.tidied_off),
        })
    }

    fn checksum(&self) -> i64 {
        let numbers = [
            self.part,
            self.off,
            self.written_ms,
            self.print,
            self.end_off,
            self.as_of_ms,
            self.good_for_ms,
            self.row_count,
            self.row_sum,
            self.tidied_ms,
            self.tidied_off,
        ];
        let sum = Checksum::default().bytes(Some(self.topic.as_bytes()));
        numbers.iter().fold(sum, |sum, number| sum.number(*number)).end()
    }
}

/// A row of `records`.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::records)]
pub(super) struct RecordRow {
    key: Vec<u8>,
    pub(super) epoch: i64,
    off: i64,
    written_ms: i64,
    timestamp_ms: i64,
    overwritten: bool,
    pub(super) crc: i64,
    value: Option<Vec<u8>>,
    headers: Option<Vec<u8>>,
}

impl RecordRow {
    pub(super) fn of(row: Row) -> Self {
        let mut headers = Vec::new();
        headers_codec::encode(&row.headers, &mut headers);
        let mut row = Self {
            key: row.key.into(),
            epoch: row.epoch.cast_signed(),
            off: row.offset,
            written_ms: row.written,
            timestamp_ms: row.timestamp.0,
            overwritten: row.overwritten,
            crc: 0,
            value: row.value.map(Into::into),
            headers: Some(headers).filter(|headers| !headers.is_empty()),
        };
        row.crc = row.checksum();
        row
    }

    /// What it says; `None` if it is not as it was written.
    pub(super) fn checked(self) -> Option<Row> {
        if self.crc != self.checksum() {
            return None;
        }
        Some(Row {
            key: self.key.into(),
            offset: self.off,
            timestamp: Timestamp(self.timestamp_ms),
            value: self.value.map(Into::into),
            headers: headers_codec::decode(self.headers.unwrap_or_default().into()).ok()?,
            overwritten: self.overwritten,
            written: self.written_ms,
            epoch: self.epoch.cast_unsigned(),
            ends_key: false,
        })
    }

    /// A late record of an earlier owner follows it in the log. `None` if it is not as it was written.
    pub(super) fn covered_up(mut self) -> Option<Self> {
        if self.crc != self.checksum() {
            return None;
        }
        self.overwritten = true;
        self.crc = self.checksum();
        Some(self)
    }

    fn checksum(&self) -> i64 {
        let numbers = [self.epoch, self.off, self.written_ms, self.timestamp_ms, i64::from(self.overwritten)];
        let sum = Checksum::default().bytes(Some(&self.key));
        let sum = numbers.iter().fold(sum, |sum, number| sum.number(*number));
        sum.bytes(self.value.as_deref()).bytes(self.headers.as_deref()).end()
    }
}
