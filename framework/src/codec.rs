//! Codecs: how a record's bytes become an event and back.

/// What codecs write; shared, cheap to clone.
pub use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Event, EventEnvelope, EventId, EventMeta, EventType, Payload, Record, TraceParent, envelope, headers,
};

/// Reads payloads of type `E` from records. `format = "envelope" | "json" | "bytes"` or a type of your own.
#[diagnostic::on_unimplemented(
    message = "the format `{Self}` can't read `{E}`",
    note = "\"envelope\" and \"json\" need `Deserialize` on the payload, \"bytes\" reads `Blob`"
)]
pub trait Decode<E> {
    /// Reads a record that has a value.
    ///
    /// # Errors
    /// [`DecodeError`]: the record becomes a dead letter with its exact bytes.
    fn decode(record: &Record, value: &[u8]) -> Result<Event<E>, DecodeError>;

    /// The event's id without decoding the rest, for dedup; `None` where it can't be told.
    fn peek_id(record: &Record) -> Option<EventId>;
}

/// Writes payloads of type `E`.
#[diagnostic::on_unimplemented(
    message = "the format `{Self}` can't write `{E}`",
    note = "\"envelope\" and \"json\" need `Serialize` on the payload, \"bytes\" writes `Blob`"
)]
pub trait Encode<E> {
    /// Writes the value of an event's record.
    ///
    /// # Errors
    /// Whatever the payload's own serialization says; the attempt fails with it.
    fn encode(meta: &EventMeta, data: &E) -> Result<Bytes, EncodeError>;
}

/// The envelope of the project: [`EventEnvelope`] in JSON.
#[derive(Debug, Clone, Copy)]
pub struct EnvelopeFormat;
/// The payload alone, in JSON; ids and time are taken from where the record lies.
#[derive(Debug, Clone, Copy)]
pub struct JsonFormat;
/// The bytes as they are, for [`Blob`].
#[derive(Debug, Clone, Copy)]
pub struct BytesFormat;

/// A payload of raw bytes, for `format = "bytes"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The record's key, as text where it is UTF-8.
    pub key: String,
    /// The record's value.
    pub bytes: Bytes,
}

#[diagnostic::do_not_recommend]
impl Payload for Blob {
    const TYPE: EventType = EventType::new("bytes");
    const VERSION: u32 = 1;

    fn key(&self) -> std::borrow::Cow<'_, str> {
        self.key.as_str().into()
    }
}

/// Why a record could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The JSON doesn't fit.
    #[error("{path}: {message}")]
    Json {
        /// The path of the field, such as `data.depth.buy[0].price`; `.` is the whole.
        path: String,
        /// What was wrong and what would be right.
        message: String,
    },
    /// The envelope holds an event of another type.
    #[error("type: found {found:?}, this input takes {expected:?}")]
    WrongType {
        /// The type in the envelope.
        found: String,
        /// The type that the input declares.
        expected: &'static str,
    },
    /// The payload's schema version is unknown.
    #[error("version: found {found}, this program knows 1 to {known}")]
    Version {
        /// The version in the envelope.
        found: u32,
        /// The newest version that the payload's type reads.
        known: u32,
    },
    /// A codec of the user's own refused the bytes.
    #[error("{0}")]
    Other(String),
}

impl DecodeError {
    pub(crate) fn wrong_type(found: &str, expected: EventType) -> Self {
        Self::WrongType {
            // A type from outside may be of any length; an error is not.
            found: found.chars().take(64).collect(),
            expected: expected.as_str(),
        }
    }

    pub(crate) fn json(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        Self::Json {
            // Keys of a map from outside may be of any length; an error is not.
            path: error.path().to_string().chars().take(256).collect(),
            message: error.inner().to_string().chars().take(512).collect(),
        }
    }
}

/// Why an event could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{event_type} can't be written: {reason}")]
pub struct EncodeError {
    /// The type of the event.
    pub event_type: &'static str,
    /// What the payload's serialization said.
    pub reason: String,
}

#[diagnostic::do_not_recommend]
impl<E: Payload + DeserializeOwned> Decode<E> for EnvelopeFormat {
    // Thousands of instructions: one instance for all who call it, wherever they stand, so that it costs everybody the same.
    #[inline(never)]
    fn decode(record: &Record, value: &[u8]) -> Result<Event<E>, DecodeError> {
        let (meta, data) = EventEnvelope::<E>::decode(value)?.into_parts(record);
        Ok(Event { meta, data })
    }

    fn peek_id(record: &Record) -> Option<EventId> {
        envelope::peek_id(record.value.as_ref()?)
    }
}

#[diagnostic::do_not_recommend]
impl<E: Payload + Serialize> Encode<E> for EnvelopeFormat {
    fn encode(meta: &EventMeta, data: &E) -> Result<Bytes, EncodeError> {
        EventEnvelope {
            id: meta.id.0,
            correlation_id: meta.correlation_id.0,
            causation_id: meta.causation_id.map(|id| id.0),
            event_type: E::TYPE.as_str().into(),
            broker: meta.broker.as_deref().map(Into::into),
            key: (&*meta.key).into(),
            source: (&*meta.source).into(),
            version: meta.version,
            ts: meta.ts,
            data,
        }
        .encode()
        .map_err(|error| EncodeError::of::<E>(error))
    }
}

#[diagnostic::do_not_recommend]
impl<E: Payload + DeserializeOwned> Decode<E> for JsonFormat {
    fn decode(record: &Record, value: &[u8]) -> Result<Event<E>, DecodeError> {
        let data: E = match serde_json::from_slice(value) {
            Ok(data) => data,
            Err(first) => {
                let mut reader = serde_json::Deserializer::from_slice(value);
                return Err(match serde_path_to_error::deserialize::<_, E>(&mut reader) {
                    Err(error) => DecodeError::json(&error),
                    Ok(_) => DecodeError::Json { path: ".".into(), message: first.to_string() },
                });
            }
        };
        let meta = bare_meta::<E>(record, &data);
        Ok(Event { meta, data })
    }

    fn peek_id(record: &Record) -> Option<EventId> {
        Some(EventId::of_position(&record.position(), record.timestamp))
    }
}

#[diagnostic::do_not_recommend]
impl<E: Payload + Serialize> Encode<E> for JsonFormat {
    fn encode(_meta: &EventMeta, data: &E) -> Result<Bytes, EncodeError> {
        serde_json::to_vec(data).map(Bytes::from).map_err(|error| EncodeError::of::<E>(error))
    }
}

#[diagnostic::do_not_recommend]
impl Decode<Blob> for BytesFormat {
    fn decode(record: &Record, _value: &[u8]) -> Result<Event<Blob>, DecodeError> {
        let data = Blob { key: text_key(record), bytes: record.value.clone().unwrap_or_default() };
        let meta = bare_meta(record, &data);
        Ok(Event { meta, data })
    }

    fn peek_id(record: &Record) -> Option<EventId> {
        Some(EventId::of_position(&record.position(), record.timestamp))
    }
}

#[diagnostic::do_not_recommend]
impl Encode<Blob> for BytesFormat {
    fn encode(_meta: &EventMeta, data: &Blob) -> Result<Bytes, EncodeError> {
        Ok(data.bytes.clone())
    }
}

impl EncodeError {
    fn of<E: Payload>(error: impl std::fmt::Display) -> Self {
        Self { event_type: E::TYPE.as_str(), reason: error.to_string() }
    }
}

fn text_key(record: &Record) -> String {
    record.key.as_ref().map_or_else(String::new, |key| String::from_utf8_lossy(key).into_owned())
}

/// What is known of an event that came without an envelope.
fn bare_meta<E: Payload>(record: &Record, data: &E) -> EventMeta {
    let id = EventId::of_position(&record.position(), record.timestamp);
    let key = match &record.key {
        Some(_) => text_key(record),
        None => data.key().into_owned(),
    };
    EventMeta {
        id,
        correlation_id: id,
        causation_id: None,
        broker: None,
        key: key.into(),
        source: record.topic.as_str().into(),
        version: E::VERSION,
        ts: record.timestamp.to_utc(),
        trace: record.headers.last(headers::TRACEPARENT).and_then(|text| TraceParent::parse(text)),
    }
}
