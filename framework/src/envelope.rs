//! The envelope: the JSON that every event travels in by default.

use std::borrow::Cow;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};
use uuid::{Uuid, fmt::Hyphenated};

use crate::{EventId, EventMeta, Payload, Record, TraceParent, codec::DecodeError, headers};

/// The envelope of domain events, as it is on the wire: UTF-8 JSON, one object, fields in this order when
/// written and in any order when read. Unknown fields are ignored, so that a later version may add some.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventEnvelope<'a, D> {
    /// The event's id, a UUID.
    pub id: Uuid,
    /// The id of its chain.
    pub correlation_id: Uuid,
    /// The id of the event that caused it; null at the root.
    pub causation_id: Option<Uuid>,
    /// The event type, such as `trading_signal`.
    #[serde(rename = "type", borrow, deserialize_with = "not_empty")]
    pub event_type: Cow<'a, str>,
    /// The broker that the event is about; for audit only.
    #[serde(borrow, default, deserialize_with = "none_or_not_empty")]
    pub broker: Option<Cow<'a, str>>,
    /// The partition key.
    #[serde(borrow, deserialize_with = "not_empty")]
    pub key: Cow<'a, str>,
    /// The service that made the event.
    #[serde(borrow, deserialize_with = "not_empty")]
    pub source: Cow<'a, str>,
    /// The schema version of `data`, at least 1.
    pub version: u32,
    /// When the event happened: RFC 3339 with its offset from UTC.
    #[serde(with = "rfc3339")]
    pub ts: DateTime<Utc>,
    /// The payload.
    pub data: D,
}

/// Only what tells one event from another.
#[derive(Deserialize)]
struct Id {
    id: Uuid,
}

/// Only the type, to name it in an error.
#[derive(Deserialize)]
struct Type<'a> {
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
}

impl<'a, D: Payload + Deserialize<'a>> EventEnvelope<'a, D> {
    /// Reads an envelope whose payload must be a `D`.
    ///
    /// # Errors
    /// [`DecodeError`], with the path of the field that doesn't fit.
    pub fn decode(json: &'a [u8]) -> Result<Self, DecodeError> {
        // The quick way first; only what fails is read again for the path of the field.
        let envelope: Self = match serde_json::from_slice(json) {
            Ok(envelope) => envelope,
            Err(_) => return Err(Self::explain(json)),
        };
        if envelope.event_type != D::TYPE.as_str() {
            return Err(DecodeError::wrong_type(&envelope.event_type, D::TYPE));
        }
        if envelope.version == 0 || envelope.version > D::VERSION {
            return Err(DecodeError::Version { found: envelope.version, known: D::VERSION });
        }
        Ok(envelope)
    }

    fn explain(json: &'a [u8]) -> DecodeError {
        if let Ok(envelope) = serde_json::from_slice::<Type<'_>>(json)
            && envelope.event_type != D::TYPE.as_str()
        {
            return DecodeError::wrong_type(&envelope.event_type, D::TYPE);
        }
        let mut reader = serde_json::Deserializer::from_slice(json);
        match serde_path_to_error::deserialize::<_, Self>(&mut reader) {
            Err(error) => DecodeError::json(&error),
            // The first reading failed on what follows the object.
            Ok(_) => DecodeError::Json {
                path: ".".into(),
                message: "there is something after the envelope's closing brace".into(),
            },
        }
    }
}

impl<D> EventEnvelope<'_, D> {
    /// The envelope's fields as a handler gets them, and the payload.
    pub fn into_parts(self, record: &Record) -> (EventMeta, D) {
        let meta = EventMeta {
            id: EventId(self.id),
            correlation_id: EventId(self.correlation_id),
            causation_id: self.causation_id.map(EventId),
            broker: self.broker.map(Into::into),
            key: self.key.into(),
            source: self.source.into(),
            version: self.version,
            ts: self.ts,
            trace: record.headers.last(headers::TRACEPARENT).and_then(|text| TraceParent::parse(text)),
        };
        (meta, self.data)
    }
}

impl<D: Serialize> EventEnvelope<'_, D> {
    /// Writes the envelope.
    ///
    /// # Errors
    /// Whatever the payload's own serialization says.
    pub fn encode(&self) -> Result<Bytes, serde_json::Error> {
        let mut json = Vec::with_capacity(512);
        serde_json::to_writer(&mut json, self)?;
        Ok(json.into())
    }
}

/// The id in an envelope, without reading the rest; `None` where it can't be read.
pub(crate) fn peek_id(json: &[u8]) -> Option<EventId> {
    leading_id(json).or_else(|| serde_json::from_slice::<Id>(json).ok().map(|envelope| EventId(envelope.id)))
}

/// The id of an envelope that begins with it, as those do that [`EventEnvelope::encode`] writes, and that was not cut off.
/// Dedup asks for every event's id before it is decoded: going through the whole envelope once more costs as much as the
/// decoding.
fn leading_id(json: &[u8]) -> Option<EventId> {
    let rest = json.strip_prefix(br#"{"id":""#)?;
    let (id, rest) = rest.split_at_checked(Hyphenated::LENGTH)?;
    let is_whole = rest.first() == Some(&b'"') && rest.last() == Some(&b'}');
    is_whole.then(|| Uuid::try_parse_ascii(id).ok()).flatten().map(EventId)
}

fn not_empty<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    let text = BorrowedText::deserialize(deserializer)?.0;
    if text.trim().is_empty() {
        return Err(de::Error::invalid_value(de::Unexpected::Str(&text), &"a text that is not empty"));
    }
    Ok(text)
}

fn none_or_not_empty<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'a, str>>, D::Error> {
    match Option::<BorrowedText<'_>>::deserialize(deserializer)? {
        Some(BorrowedText(text)) if text.trim().is_empty() => {
            Err(de::Error::invalid_value(de::Unexpected::Str(&text), &"null or a text that is not empty"))
        }
        text => Ok(text.map(|text| text.0)),
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

/// Times as RFC 3339 in UTC with as many digits as are needed; naive times are refused.
///
/// For `#[serde(with = "pandaflow::rfc3339")]` on a payload's own `DateTime<Utc>`: stricter and several times
/// quicker than chrono's own form.
pub mod rfc3339 {
    use super::{BorrowedText, Cow, DateTime, Deserialize, Deserializer, SecondsFormat, Utc, de};
    use serde::Serializer;

    /// Reads a time with its offset.
    ///
    /// # Errors
    /// If the text is not RFC 3339: no `T`, no offset, no such day.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        let text: Cow<'_, str> = BorrowedText::deserialize(deserializer)?.0;
        let strict = text.as_bytes().get(10).is_some_and(|t| *t == b'T' || *t == b't');
        match DateTime::parse_from_rfc3339(&text) {
            Ok(time) if strict => Ok(time.to_utc()),
            _ => Err(de::Error::invalid_value(
                de::Unexpected::Str(&text),
                &"a time with its offset from UTC, such as 2013-10-07T13:30:00.123Z",
            )),
        }
    }

    /// Writes a time in UTC.
    ///
    /// # Errors
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}
