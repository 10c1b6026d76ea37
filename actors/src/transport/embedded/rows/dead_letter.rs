//! A row of `dead_letters`, with a checksum.

use diesel::prelude::*;
use pandaflow::{
    DeadLetter, Timestamp,
    ports::{DeadLetterId, StoreError, StoredDeadLetter},
};

use super::{Blob, sound};
use crate::transport::{
    dead_letter_columns::{self, Columns},
    embedded::{checksum::Checksum, connection::store_error, schema::dead_letters},
};

/// A dead letter to be written.
#[derive(Debug, Insertable)]
#[diesel(table_name = dead_letters)]
pub(crate) struct NewDeadLetter<'a> {
    stored_ms: i64,
    group_name: &'a str,
    processor: &'a str,
    namespace: &'a str,
    class: &'a str,
    topic: &'a str,
    part: i64,
    off: i64,
    timestamp_ms: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Option<Vec<u8>>,
    detail: String,
    crc: i64,
}

impl<'a> NewDeadLetter<'a> {
    pub(crate) fn new(letter: &'a DeadLetter, stored: Timestamp) -> Result<Self, StoreError> {
        let record = &letter.record;
        let mut row = Self {
            stored_ms: stored.0,
            group_name: letter.group.as_str(),
            processor: &letter.processor,
            namespace: letter.namespace.as_str(),
            class: letter.class.as_str(),
            topic: record.topic.as_str(),
            part: record.partition.0.into(),
            off: record.offset.0.cast_signed(),
            timestamp_ms: record.timestamp.0,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: dead_letter_columns::headers(letter),
            detail: dead_letter_columns::detail(letter)
                .map_err(|error| store_error(format!("writing a dead letter: {error}")))?,
            crc: 0,
        };
        let texts = [row.group_name, row.processor, row.namespace, row.class, row.topic, &row.detail];
        let numbers = [row.stored_ms, row.part, row.off, row.timestamp_ms];
        row.crc = checksum(texts, numbers, [row.key, row.value, row.headers.as_deref()]);
        Ok(row)
    }
}

fn checksum(texts: [&str; 6], numbers: [i64; 4], bytes: [Option<&[u8]>; 3]) -> i64 {
    let sum = texts.iter().fold(Checksum::default(), |sum, text| sum.bytes(Some(text.as_bytes())));
    let sum = numbers.iter().fold(sum, |sum, number| sum.number(*number));
    bytes.iter().fold(sum, |sum, bytes| sum.bytes(*bytes)).end()
}

/// A dead letter as it is read.
#[derive(Debug, Queryable)]
pub(crate) struct DeadLetterRow {
    id: i64,
    stored_ms: i64,
    group_name: String,
    processor: String,
    namespace: String,
    class: String,
    topic: String,
    part: i64,
    off: i64,
    timestamp_ms: i64,
    key: Option<Blob>,
    value: Option<Blob>,
    headers: Option<Blob>,
    detail: String,
    crc: i64,
}

impl DeadLetterRow {
    pub(crate) fn stored(self) -> Result<StoredDeadLetter, StoreError> {
        let id = self.id;
        let texts = [
            self.group_name.as_str(),
            &self.processor,
            &self.namespace,
            &self.class,
            &self.topic,
            &self.detail,
        ];
        let numbers = [self.stored_ms, self.part, self.off, self.timestamp_ms];
        let bytes = [&self.key, &self.value, &self.headers].map(|blob| blob.as_ref().map(|blob| &blob.0[..]));
        sound(self.crc, checksum(texts, numbers, bytes), format_args!("dead letter {id}"))?;
        let (id, stored) = (DeadLetterId(id), Timestamp(self.stored_ms));
        let letter = self.columns().letter();
        let letter = letter.map_err(|what| store_error(format!("dead letter {}: {what}", id.0)))?;
        Ok(StoredDeadLetter { id, stored, letter })
    }

    fn columns(self) -> Columns {
        Columns {
            group_name: self.group_name,
            processor: self.processor,
            namespace: self.namespace,
            class: self.class,
            topic: self.topic,
            part: self.part,
            off: self.off,
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(|blob| blob.0),
            value: self.value.map(|blob| blob.0),
            headers: self.headers.map(|blob| blob.0),
            detail: self.detail,
        }
    }
}
