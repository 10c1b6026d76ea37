//! A delivery: a record on its way through a task.

use std::ops::{Deref, DerefMut};

use pandaflow::{EventId, Record, Timestamp, policy::watermark::Ticket};

/// A record that was taken in, until it has ended. It is handed on a dozen times on its way, so it is only a pointer.
#[derive(Debug)]
pub(crate) struct Delivery(Box<Delivered>);

/// What a delivery points to.
#[derive(Debug)]
pub(crate) struct Delivered {
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

impl Delivery {
    pub(crate) fn new(delivered: Delivered) -> Self {
        Self(Box::new(delivered))
    }
}

impl Deref for Delivery {
    type Target = Delivered;

    fn deref(&self) -> &Delivered {
        &self.0
    }
}

impl DerefMut for Delivery {
    fn deref_mut(&mut self) -> &mut Delivered {
        &mut self.0
    }
}
