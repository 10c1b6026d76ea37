//! A row of `dead_letters`: the record in columns of its own, byte for byte, and the rest in versioned JSON.

use diesel::prelude::*;
use pandaflow::{
    DeadLetter, ErrorClass, EventId, FailureKind, Group, Offset, Partition, Record, ReplayAdvice, Timestamp,
    TopicName,
    ports::{DeadLetterId, StoreError, StoredDeadLetter},
};
use serde::{Deserialize, Serialize};

use super::{Blob, sound};
use crate::transport::embedded::{
    checksum::Checksum, connection::store_error, headers_codec, schema::dead_letters,
};

const DETAIL_VERSION: u32 = 1;

/// What is told of a dead letter beside its record.
#[derive(Debug, Serialize, Deserialize)]
struct Detail {
    version: u32,
    event_id: Option<EventId>,
    kind: FailureKind,
    error_type: String,
    message: String,
    chain: Vec<String>,
    fingerprint: String,
    attempts: u32,
    first_failed: Timestamp,
    last_failed: Timestamp,
    replay: ReplayAdvice,
}

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
        let mut headers = Vec::new();
        headers_codec::encode(&record.headers, &mut headers);
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
            headers: (!headers.is_empty()).then_some(headers),
            detail: detail(letter)?,
            crc: 0,
        };
        let texts = [row.group_name, row.processor, row.namespace, row.class, row.topic, &row.detail];
        let numbers = [row.stored_ms, row.part, row.off, row.timestamp_ms];
        row.crc = checksum(texts, numbers, [row.key, row.value, row.headers.as_deref()]);
        Ok(row)
    }
}

fn detail(letter: &DeadLetter) -> Result<String, StoreError> {
    let detail = Detail {
        version: DETAIL_VERSION,
        event_id: letter.event_id,
        kind: letter.kind,
        error_type: letter.error_type.clone(),
        message: letter.message.clone(),
        chain: letter.chain.clone(),
        fingerprint: letter.fingerprint.clone(),
        attempts: letter.attempts,
        first_failed: letter.first_failed,
        last_failed: letter.last_failed,
        replay: letter.replay,
    };
    serde_json::to_string(&detail).map_err(|error| store_error(format!("writing a dead letter: {error}")))
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
        self.read().map_err(|what| store_error(format!("dead letter {id}: {what}")))
    }

    fn read(self) -> Result<StoredDeadLetter, String> {
        let detail: Detail = serde_json::from_str(&self.detail).map_err(|error| error.to_string())?;
        if detail.version != DETAIL_VERSION {
            return Err(format!("its detail is of version {}, known is {DETAIL_VERSION}", detail.version));
        }
        let class: ErrorClass = self.class.parse()?;
        let record = Record {
            topic: TopicName::new(&self.topic),
            partition: Partition(u32::try_from(self.part).map_err(|error| error.to_string())?),
            offset: Offset(self.off.cast_unsigned()),
            timestamp: Timestamp(self.timestamp_ms),
            key: self.key.map(|blob| blob.0),
            value: self.value.map(|blob| blob.0),
            headers: headers_codec::decode(self.headers.map(|blob| blob.0).unwrap_or_default())?,
        };
        let letter = DeadLetter {
            record,
            group: Group::from(self.group_name.as_str()),
            processor: self.processor,
            namespace: self
                .namespace
                .parse()
                .map_err(|error: pandaflow::NamespaceError| error.to_string())?,
            event_id: detail.event_id,
            class,
            kind: detail.kind,
            error_type: detail.error_type,
            message: detail.message,
            chain: detail.chain,
            fingerprint: detail.fingerprint,
            attempts: detail.attempts,
            first_failed: detail.first_failed,
            last_failed: detail.last_failed,
            replay: detail.replay,
        };
        Ok(StoredDeadLetter { id: DeadLetterId(self.id), stored: Timestamp(self.stored_ms), letter })
    }
}
