//! A delivery: a record on its way through a task.

use pandaflow::{EventId, Record, Timestamp, policy::watermark::Ticket};

/// A record that was taken in, until it has ended.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The record.
    pub(crate) record: Record,
    /// The index of its input in the declaration.
    pub(crate) input: usize,
    /// Its place in the watermark.
    pub(crate) ticket: Ticket,
    /// Attempts that failed before, also in earlier lives.
    pub(crate) failed: u32,
    /// When the first of them failed.
    pub(crate) first_failed: Option<Timestamp>,
    /// Its event's id, where dedup needed it.
    pub(crate) claimed: Option<EventId>,
}
