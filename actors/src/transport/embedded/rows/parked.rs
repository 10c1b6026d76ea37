//! A row of `parked`.

use diesel::prelude::*;
use pandaflow::{
    Offset, Partition, Record, Timestamp, TopicName,
    ports::{ParkedEvent, StoreError},
};

use super::{Blob, sound};
use crate::transport::{
    embedded::{checksum::Checksum, connection::store_error, schema::parked},
    headers_codec,
};

/// A parked event to be written.
#[derive(Debug, Insertable)]
#[diesel(table_name = parked)]
pub(crate) struct NewParked<'a> {
    group_id: i32,
    part: i64,
    topic_id: i32,
    off: i64,
    place: i64,
    timestamp_ms: i64,
    times: i64,
    first_failed_ms: Option<i64>,
    due_ms: Option<i64>,
    crc: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Option<&'a [u8]>,
}

impl<'a> NewParked<'a> {
    /// `headers` are encoded.
    pub(crate) fn new(
        group_id: i32,
        part: i64,
        topic_id: i32,
        event: &'a ParkedEvent,
        headers: Option<&'a [u8]>,
    ) -> Self {
        let record = &event.record;
        let mut row = Self {
            group_id,
            part,
            topic_id,
            off: record.offset.0.cast_signed(),
            place: event.place.cast_signed(),
            timestamp_ms: record.timestamp.0,
            times: event.attempts.into(),
            first_failed_ms: event.first_failed.map(|time| time.0),
            due_ms: event.due.map(|time| time.0),
            crc: 0,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers,
        };
        let numbers =
            [group_id.into(), part, topic_id.into(), row.off, row.place, row.timestamp_ms, row.times];
        row.crc = checksum(numbers, [row.first_failed_ms, row.due_ms], [row.key, row.value, row.headers]);
        row
    }
}

fn checksum(numbers: [i64; 7], times: [Option<i64>; 2], bytes: [Option<&[u8]>; 3]) -> i64 {
    let sum = numbers.iter().fold(Checksum::default(), |sum, number| sum.number(*number));
    let sum = times
        .iter()
        .fold(sum, |sum, time| sum.bytes(time.map(i64::to_le_bytes).as_ref().map(|time| &time[..])));
    bytes.iter().fold(sum, |sum, bytes| sum.bytes(*bytes)).end()
}

/// A parked event as it is read.
#[derive(Debug, Queryable)]
pub(crate) struct ParkedRow {
    group_id: i32,
    part: i64,
    pub(crate) topic_id: i32,
    off: i64,
    place: i64,
    timestamp_ms: i64,
    times: i64,
    first_failed_ms: Option<i64>,
    due_ms: Option<i64>,
    crc: i64,
    key: Option<Blob>,
    value: Option<Blob>,
    headers: Option<Blob>,
}

impl ParkedRow {
    pub(crate) fn checked(self) -> Result<Self, StoreError> {
        let Self { group_id, part, topic_id, off, place, timestamp_ms, times, .. } = self;
        let numbers = [group_id.into(), part, topic_id.into(), off, place, timestamp_ms, times];
        let bytes = [&self.key, &self.value, &self.headers].map(|blob| blob.as_ref().map(|blob| &blob.0[..]));
        let sum = checksum(numbers, [self.first_failed_ms, self.due_ms], bytes);
        let what = format_args!("the parked event of group {group_id}, topic {topic_id}[{part}]@{off},");
        sound(self.crc, sum, what)?;
        Ok(self)
    }

    pub(crate) fn event(self, topic: TopicName) -> Result<ParkedEvent, StoreError> {
        let headers = self.headers.map(|blob| headers_codec::decode(blob.0)).transpose();
        let headers = headers.map_err(|what| {
            store_error(format!(
                "the headers of the parked event {topic}[{}]@{}: {what}",
                self.part, self.off
            ))
        })?;
        let record = Record {
            topic,
            partition: Partition(u32::try_from(self.part).unwrap_or(u32::MAX)),
            offset: Offset(self.off.cast_unsigned()),
            timestamp: Timestamp(self.timestamp_ms),
            key: self.key.map(|blob| blob.0),
            value: self.value.map(|blob| blob.0),
            headers: headers.unwrap_or_default(),
        };
        Ok(ParkedEvent {
            place: self.place.cast_unsigned(),
            record,
            attempts: u32::try_from(self.times).unwrap_or(u32::MAX),
            first_failed: self.first_failed_ms.map(Timestamp),
            due: self.due_ms.map(Timestamp),
        })
    }
}
