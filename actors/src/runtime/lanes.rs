//! Lanes: each owns an instance of the user's struct and the keys that hash to it, one event at a time.

use std::{collections::VecDeque, hash::BuildHasher};

use bytes::Bytes;
use foldhash::fast::FixedState;
use pandaflow::Order;

use super::delivery::{Arrival, Delivery};

/// The number of a lane in its task.
pub(crate) type LaneNo = usize;

/// Lanes per attempt that may run at once, so that two busy keys seldom meet in one lane.
const LANES_PER_ATTEMPT: usize = 40;
/// Lanes of a task at most: each costs 32 bytes, and once used an instance of the user's struct.
const MOST_LANES: usize = 16_384;

/// The seed of the hash that tells a key's lane.
const LANE_SEED: u64 = 0x6c61_6e65;

/// One lane. It is small, since a task has many and seldom finds one in the processor's cache.
pub(crate) struct Lane<P> {
    /// The user's struct; away while an attempt runs, `None` until first used.
    pub(crate) processor: Option<Box<P>>,
    /// Whether an event is being handled.
    pub(crate) busy: bool,
    /// Events that wait for it, in order.
    pub(crate) queue: LaneQueue,
}

/// Deliveries in order. Mostly there is one at most, which takes no memory of its own.
#[derive(Default)]
pub(crate) struct LaneQueue {
    first: Option<Delivery>,
    /// Those behind the first, once there were any.
    #[allow(clippy::box_collection, reason = "most lanes never have one, and a lane is to be small")]
    others: Option<Box<VecDeque<Delivery>>>,
}

impl LaneQueue {
    #[inline]
    pub(crate) fn push(&mut self, delivery: Delivery) {
        if self.first.is_none() {
            self.first = Some(delivery);
        } else {
            self.others.get_or_insert_default().push_back(delivery);
        }
    }

    /// When the first of them came.
    #[inline]
    pub(crate) fn since(&self) -> Option<Arrival> {
        self.first.as_ref().map(|delivery| delivery.arrival)
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Delivery> {
        let next = self.others.as_mut().and_then(|others| others.pop_front());
        std::mem::replace(&mut self.first, next)
    }
}

/// The lanes of one task. What they hold is made on first use.
pub(crate) struct Lanes<P> {
    lanes: Vec<Lane<P>>,
    order: Order,
    /// Where there is no order: lanes without an event, the one that was used last on top.
    idle: Vec<LaneNo>,
}

impl<P> Lanes<P> {
    pub(crate) fn new(order: Order, concurrency: usize) -> Self {
        let many = (concurrency * LANES_PER_ATTEMPT).next_power_of_two().min(MOST_LANES);
        let count = if order == Order::Partition { 1 } else { many };
        let lane = || Lane { processor: None, busy: false, queue: LaneQueue::default() };
        let idle = if order == Order::None { (0..count).rev().collect() } else { Vec::new() };
        Self { lanes: std::iter::repeat_with(lane).take(count).collect(), order, idle }
    }

    /// Which lane events of a key go to; `None` if any.
    pub(crate) fn lane_of(&self, key: Option<&Bytes>) -> Option<LaneNo> {
        match self.order {
            Order::Partition => Some(0),
            Order::Key => {
                // The same on every run, and unlike the partitioner's murmur2, so that the keys of one partition spread
                // over all lanes. No key and an empty one are the same.
                let hash = FixedState::with_seed(LANE_SEED).hash_one(key.map_or(&[][..], |key| &key[..]));
                usize::try_from(hash % self.lanes.len() as u64).ok()
            }
            Order::None => None,
        }
    }

    /// Whether an event could enter: where any lane will do, one has to be idle.
    pub(crate) fn have_room(&self) -> bool {
        self.order != Order::None || !self.idle.is_empty()
    }

    /// The lane that an event enters.
    pub(crate) fn enter(&mut self, lane: Option<LaneNo>) -> LaneNo {
        lane.or_else(|| self.idle.pop()).unwrap_or(0)
    }

    /// A lane has no event any more.
    pub(crate) fn is_idle(&mut self, no: LaneNo) {
        if self.order == Order::None {
            self.idle.push(no);
        }
    }

    /// The lane of that number.
    pub(crate) fn lane(&mut self, no: LaneNo) -> &mut Lane<P> {
        &mut self.lanes[no]
    }

    /// Takes out every event that waits, to be given back.
    pub(crate) fn give_up_waiting(&mut self) -> Vec<Delivery> {
        self.lanes.iter_mut().flat_map(|lane| std::iter::from_fn(|| lane.queue.pop())).collect()
    }
}
