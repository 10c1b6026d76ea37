//! Dead letters as databases have them: the record in columns of its own, byte for byte, and the rest as JSON.

use bytes::Bytes;
use pandaflow::{DeadLetter, ErrorClass, Offset, Partition, Record, Timestamp, TopicName};

use super::{dead_letter_form::Detail, headers_codec};

/// The detail of a letter, as JSON.
pub(super) fn detail(letter: &DeadLetter) -> serde_json::Result<String> {
    serde_json::to_string(&Detail::of(letter))
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
        detail.letter(record, &self.group_name, self.processor, &self.namespace, class)
    }
}
