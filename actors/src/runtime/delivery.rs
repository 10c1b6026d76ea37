//! A delivery: a record on its way through a task.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use pandaflow::{EventId, Record, Timestamp, policy::watermark::Ticket, ports::Verdict};

use super::lanes::LaneNo;

/// Boxes that are kept to be used again, at most: about 200 bytes each.
const MOST_SPARE: usize = 1_024;
/// A delivery that anybody sees has what it delivers.
const FULL: &str = "a delivery is emptied only when it has ended";

/// Numbers the events that a task takes in.
pub(crate) type Arrival = u64;

/// A record that was taken in, until it has ended. It is handed on a dozen times on its way, so it is a pointer.
#[derive(Debug)]
pub(crate) struct Delivery(Box<Option<Delivered>>);

/// What a delivery points to.
#[derive(Debug)]
pub(crate) struct Delivered {
    /// The record.
    pub(crate) record: Record,
    /// The index of its input in the declaration.
    pub(crate) input: usize,
    /// Where it came from, and what its end means there.
    pub(crate) from: From,
    /// Attempts that failed before, also in earlier lives.
    pub(crate) failed: u32,
    /// When the first of them failed.
    pub(crate) first_failed: Option<Timestamp>,
    /// Its event's id, where dedup needed it.
    pub(crate) claimed: Option<EventId>,
    /// Whether a parked event of its offset is stored, though it comes from the log.
    pub(crate) was_parked: bool,
    /// Its place among all that the task took in.
    pub(crate) arrival: Arrival,
    /// Its lane; `None` if any will do.
    pub(crate) lane: Option<LaneNo>,
    /// Whether it has gone into its key's state already: a duplicate, whose mark may be missing.
    pub(crate) applied: bool,
    /// What dedup said of it.
    pub(crate) verdict: Option<Verdict>,
}

/// Where a delivery came from.
#[derive(Debug)]
pub(crate) enum From {
    /// The log: its place in the watermark.
    Log(Ticket),
    /// It was parked.
    Parking(Box<Parked>),
}

/// What a released event is parked under, until it has ended.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) key: Bytes,
    /// Of which hand-out it is.
    pub(crate) wave: u64,
}

impl Delivered {
    /// Whether it was parked, and stays so until it has ended.
    #[inline]
    pub(crate) fn is_released(&self) -> bool {
        matches!(self.from, From::Parking(_))
    }
}

impl Deref for Delivery {
    type Target = Delivered;

    #[inline]
    fn deref(&self) -> &Delivered {
        (*self.0).as_ref().expect(FULL)
    }
}

impl DerefMut for Delivery {
    #[inline]
    fn deref_mut(&mut self) -> &mut Delivered {
        (*self.0).as_mut().expect(FULL)
    }
}

/// Makes deliveries, out of the boxes of those that have ended where it can.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// Empty ones.
    spare: Vec<Delivery>,
}

impl Deliveries {
    #[inline]
    pub(crate) fn make(&mut self, delivered: Delivered) -> Delivery {
        match self.spare.pop() {
            Some(mut delivery) => {
                *delivery.0 = Some(delivered);
                delivery
            }
            None => Delivery(Box::new(Some(delivered))),
        }
    }

    /// A delivery has ended.
    #[inline]
    pub(crate) fn end(&mut self, mut delivery: Delivery) {
        if self.spare.len() < MOST_SPARE {
            *delivery.0 = None;
            self.spare.push(delivery);
        }
    }
}
