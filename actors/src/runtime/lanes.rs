//! Lanes: each owns an instance of the user's struct and the keys that hash to it, one event at a time.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use pandaflow::{Order, ports::Verdict};

use super::delivery::Delivery;

/// The number of a lane in its task.
pub(crate) type LaneNo = usize;

/// Lanes per attempt that may run at once, so that two busy keys seldom meet in one lane.
const LANES_PER_ATTEMPT: usize = 40;
/// Lanes of a task at most: an idle one costs some hundred bytes and an instance of the user's struct.
const MOST_LANES: usize = 16_384;

/// One lane.
pub(crate) struct Lane<P> {
    /// The user's struct; away while an attempt runs, `None` until first used.
    pub(crate) processor: Option<Box<P>>,
    /// Whether an event is being handled.
    pub(crate) busy: bool,
    /// Events that wait for it, in order.
    pub(crate) queue: VecDeque<(Delivery, Option<Verdict>)>,
}

/// The lanes of one task, made on first use.
pub(crate) struct Lanes<P> {
    lanes: Vec<Option<Box<Lane<P>>>>,
    order: Order,
    /// The next lane where there is no order.
    next: usize,
}

impl<P> Lanes<P> {
    pub(crate) fn new(order: Order, concurrency: usize) -> Self {
        let count = match order {
            Order::Partition => 1,
            Order::Key => (concurrency * LANES_PER_ATTEMPT).next_power_of_two().min(MOST_LANES),
            Order::None => concurrency.clamp(1, MOST_LANES),
        };
        Self { lanes: std::iter::repeat_with(|| None).take(count).collect(), order, next: 0 }
    }

    /// Which lane an event goes to.
    pub(crate) fn lane_of(&mut self, key: Option<&Bytes>) -> LaneNo {
        match self.order {
            Order::Partition => 0,
            Order::Key => {
                // SipHash with fixed keys: the same on every run, and unlike the partitioner's murmur2, so that
                // the keys of one partition spread over all lanes.
                let mut hasher = DefaultHasher::new();
                // No key and an empty one are the same: they have one state.
                key.map_or(&[][..], |key| key).hash(&mut hasher);
                let lanes = self.lanes.len() as u64;
                usize::try_from(hasher.finish() % lanes).unwrap_or(0)
            }
            Order::None => {
                self.next = (self.next + 1) % self.lanes.len();
                self.next
            }
        }
    }

    /// The lane, made if it is not there yet.
    pub(crate) fn lane(&mut self, no: LaneNo) -> &mut Lane<P> {
        self.lanes[no]
            .get_or_insert_with(|| Box::new(Lane { processor: None, busy: false, queue: VecDeque::new() }))
    }

    /// Takes out every event that waits, to be given back.
    pub(crate) fn give_up_waiting(&mut self) -> Vec<Delivery> {
        self.lanes
            .iter_mut()
            .flatten()
            .flat_map(|lane| lane.queue.drain(..))
            .map(|(delivery, _)| delivery)
            .collect()
    }
}
