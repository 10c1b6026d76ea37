//! An event as a handler gets it: the payload, and what the envelope said about it.

use std::ops::Deref;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{EventId, Position, Timestamp, TraceParent};

/// A decoded event. Dereferences to its payload.
#[derive(Debug, Clone)]
pub struct Event<E> {
    /// Ids, time and origin.
    pub meta: EventMeta,
    /// The payload.
    pub data: E,
}

impl<E> Deref for Event<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.data
    }
}

/// What the envelope says of an event beside its payload.
#[derive(Debug, Clone, PartialEq)]
pub struct EventMeta {
    /// The event's own id.
    pub id: EventId,
    /// The id of the chain that the event belongs to; that of its root.
    pub correlation_id: EventId,
    /// The event that caused this one; `None` at the root.
    pub causation_id: Option<EventId>,
    /// The broker that the event is about; for audit only, never for routing.
    pub broker: Option<Box<str>>,
    /// The partition key.
    pub key: Box<str>,
    /// The service that made the event.
    pub source: Box<str>,
    /// The schema version of the payload, at least 1.
    pub version: u32,
    /// When the event happened. Handlers take their time from here, never from the wall clock.
    pub ts: DateTime<Utc>,
    /// The trace that the event is part of.
    pub trace: Option<TraceParent>,
}

impl EventMeta {
    /// When the event happened, in milliseconds.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.ts.into()
    }
}

/// A null payload: "what was under this key is gone".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The key whose value is gone.
    pub key: Option<Bytes>,
    /// Where the tombstone lies.
    pub position: Position,
    /// When it was written.
    pub timestamp: Timestamp,
}
