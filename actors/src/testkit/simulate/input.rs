//! What a simulated program is fed: events, each bound for a topic.

use std::{fmt, sync::Arc};

use pandaflow::{EventId, Outgoing, Payload, Timestamp, TopicName, codec::EncodeError};
use serde::Serialize;

use crate::testkit::TestClock;

type Write = dyn Fn(TopicName, EventId, Timestamp) -> Result<Outgoing, EncodeError> + Send + Sync;

/// An event that is sent to a topic, in an envelope, as a root of its own chain.
#[derive(Clone)]
pub struct Input {
    pub(super) topic: String,
    key: String,
    write: Arc<Write>,
}

impl Input {
    /// Sends `event` to a declared topic.
    pub fn new<E: Payload + Serialize + Send + Sync + 'static>(topic: impl Into<String>, event: E) -> Self {
        Self {
            topic: topic.into(),
            key: event.key().into_owned(),
            write: Arc::new(move |topic, id, ts| Outgoing::root(topic, id, ts, "simulation", &event)),
        }
    }

    /// As a record. Its id and time come from its place in the input, so that they are the same whatever happens.
    ///
    /// # Panics
    /// If the payload can't be written.
    pub(super) fn record(&self, topic: TopicName, place: usize) -> Outgoing {
        let ts = Timestamp(TestClock::START.0 + i64::try_from(place).unwrap_or(i64::MAX));
        let id = EventId::of_source("simulation", place as u64, ts);
        (self.write)(topic, id, ts).expect("the payload of a simulated input can be written")
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} on {}", self.key, self.topic)
    }
}
