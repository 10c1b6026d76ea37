//! How a dead letter is stored: the record in columns of its own, byte for byte, and the rest in versioned JSON.

use bytes::Bytes;
use pandaflow::{
    DeadLetter, ErrorClass, EventId, FailureKind, Group, NamespaceError, Offset, Partition, Record,
    ReplayAdvice, Timestamp, TopicName,
};
use serde::{Deserialize, Serialize};

use super::headers_codec;

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

/// The detail of a letter, as JSON.
pub(super) fn detail(letter: &DeadLetter) -> serde_json::Result<String> {
    serde_json::to_string(&Detail {
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
    })
}

/// The headers of a letter's record; `None` if it has none.
pub(super) fn headers(letter: &DeadLetter) -> Option<Vec<u8>> {
    let mut headers = Vec::new();
    headers_codec::encode(&letter.record.headers, &mut headers);
    (!headers.is_empty()).then_some(headers)
}

/// The columns of a stored letter.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) group_name: String,
    pub(super) processor: String,
    pub(super) namespace: String,
    pub(super) class: String,
    pub(super) topic: String,
    pub(super) part: i64,
    pub(super) off: i64,
    pub(super) timestamp_ms: i64,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Option<Bytes>,
    pub(super) detail: String,
}

impl Columns {
    /// The letter.
    ///
    /// # Errors
    /// What is wrong with the columns.
    pub(super) fn letter(self) -> Result<DeadLetter, String> {
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
            key: self.key,
            value: self.value,
            headers: headers_codec::decode(self.headers.unwrap_or_default())?,
        };
        Ok(DeadLetter {
            record,
            group: Group::from(self.group_name.as_str()),
            processor: self.processor,
            namespace: self.namespace.parse().map_err(|error: NamespaceError| error.to_string())?,
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
        })
    }
}
