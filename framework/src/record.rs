//! A record: what a source delivers and the log keeps, undecoded.

use bytes::Bytes;
use serde::Serialize;

use crate::{
    EventId, EventMeta, Header, Headers, Offset, Partition, Payload, Position, Timestamp, TopicName,
    codec::{Encode, EncodeError, EnvelopeFormat},
};

/// One record of a topic's partition, as it lies in the log.
///
/// Cloning is cheap: keys and values are reference-counted bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The full name of the topic, namespace included.
    pub topic: TopicName,
    /// The partition of the topic.
    pub partition: Partition,
    /// The record's offset in its partition.
    pub offset: Offset,
    /// When the producer made it, in milliseconds since the epoch.
    pub timestamp: Timestamp,
    /// The partition key; `None` where the producer gave none.
    pub key: Option<Bytes>,
    /// The payload; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Names and values written beside the payload, for others to read.
    pub headers: Headers,
}

impl Record {
    /// Where the record lies.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { topic: self.topic.clone(), partition: self.partition, offset: self.offset }
    }

    /// A copy of its own, which keeps no memory of the batch that it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        let copy = |bytes: &Option<Bytes>| bytes.as_deref().map(Bytes::copy_from_slice);
        let header = |header: &Header| Header {
            name: Bytes::copy_from_slice(&header.name),
            value: copy(&header.value),
        };
        Self {
            key: copy(&self.key),
            value: copy(&self.value),
            headers: Headers::new(self.headers.as_slice().iter().map(header).collect()),
            ..self.clone()
        }
    }

    /// The bytes that this record holds against a budget: key, value and headers.
    #[must_use]
    #[inline]
    pub fn size(&self) -> usize {
        self.key.as_ref().map_or(0, Bytes::len)
            + self.value.as_ref().map_or(0, Bytes::len)
            + self.headers.size()
    }
}

/// A record on its way out, before the log has given it an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The full name of the topic, namespace included.
    pub topic: TopicName,
    /// When its event happened, in milliseconds since the epoch.
    pub timestamp: Timestamp,
    /// The partition key; the partitioner takes the partition from it.
    pub key: Option<Bytes>,
    /// The payload; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Names and values written beside the payload, for others to read.
    pub headers: Headers,
}

impl Outgoing {
    /// An event that begins a chain of its own, in an envelope: read from a file, say, or sent by a person.
    ///
    /// # Errors
    /// The payload can't be written, or its key is empty.
    pub fn root<E: Payload + Serialize>(
        topic: TopicName,
        id: EventId,
        ts: Timestamp,
        source: &str,
        event: &E,
    ) -> Result<Self, EncodeError> {
        let key = event.key();
        if key.trim().is_empty() {
            return Err(EncodeError { event_type: E::TYPE.as_str(), reason: "its key is empty".into() });
        }
        let meta = EventMeta {
            id,
            correlation_id: id,
            causation_id: None,
            broker: None,
            key: key.as_ref().into(),
            source: source.into(),
            version: E::VERSION,
            ts: ts.to_utc(),
            trace: None,
        };
        let value = EnvelopeFormat::encode(&meta, event)?;
        let key = Some(Bytes::copy_from_slice(key.as_bytes()));
        Ok(Self { topic, timestamp: ts, key, value: Some(value), headers: Headers::default() })
    }
}
