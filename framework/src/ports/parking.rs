//! Parked events: taken out of their partition's way, durably, until the time has come to try them again.

use crate::{Offset, Record, Timestamp, TopicName};

/// An event that is kept beside its partition, which has gone on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// Its place among all that its owner's partition has parked: events of a key are handled in this order.
    pub place: u64,
    /// The event as it lay in the log, since the log may not have it any more when it is its turn.
    pub record: Record,
    /// Attempts that have failed so far; 0 for an event that waits behind another of its key.
    pub attempts: u32,
    /// When the first of them failed.
    pub first_failed: Option<Timestamp>,
    /// When it is to be tried again; `None` for an event whose turn comes when the one before it of its key has ended.
    pub due: Option<Timestamp>,
}

/// A change of what is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParkChange {
    /// An event is parked, or parked again: it takes the place of what is known of the same topic and offset.
    Parked(Box<ParkedEvent>),
    /// A parked event has ended.
    Ended {
        /// The event's topic.
        topic: TopicName,
        /// The event's offset, in the owner's partition.
        offset: Offset,
    },
}
