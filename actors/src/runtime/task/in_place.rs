//! Waiting in place: events between two attempts, which keep their lanes.
//!
//! They are looked at in each turn, and not each woken by a timer of its own: where much fails and the arbiter is busy, timers
//! go off late, and what waits behind those events fills all that a task may take in.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, VecDeque},
    pin::Pin,
    task::Context as PollContext,
    time::Duration,
};

use pandaflow::StreamProcessor;
use tokio::time::{Instant, Sleep};

use super::Task;
use crate::runtime::{delivery::Delivery, lanes::LaneNo};

/// An error may ask for any wait, and no clock goes that far: more than a year is for ever.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3_600);

/// An event between two attempts, with the lane that it keeps and the lane's struct.
pub(super) struct InPlace<P> {
    pub(super) lane: LaneNo,
    pub(super) processor: Option<Box<P>>,
    pub(super) delivery: Delivery,
}

/// Those of a task.
pub(super) struct WaitInPlace<P> {
    /// The one that is due first on top; of several, the one that came first.
    until: BinaryHeap<Reverse<Until<P>>>,
    /// Those whose wait is over, until there is a permit.
    due: VecDeque<InPlace<P>>,
    /// Wakes the task at the first one's time.
    alarm: Option<Pin<Box<Sleep>>>,
}

struct Until<P> {
    at: Instant,
    event: InPlace<P>,
}

impl<P> Until<P> {
    fn place(&self) -> (Instant, u64) {
        (self.at, self.event.delivery.arrival)
    }
}

impl<P> Ord for Until<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl<P> PartialOrd for Until<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> PartialEq for Until<P> {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl<P> Eq for Until<P> {}

impl<P> Default for WaitInPlace<P> {
    fn default() -> Self {
        Self { until: BinaryHeap::new(), due: VecDeque::new(), alarm: None }
    }
}

impl<P> WaitInPlace<P> {
    pub(super) fn is_empty(&self) -> bool {
        self.until.is_empty() && self.due.is_empty()
    }

    /// Whether some have waited long enough.
    pub(super) fn are_due(&self) -> bool {
        !self.due.is_empty()
    }

    pub(super) fn next_due(&mut self) -> Option<InPlace<P>> {
        self.due.pop_front()
    }

    /// Takes all of them out, to be given back.
    pub(super) fn give_up(&mut self) -> Vec<Delivery> {
        self.alarm = None;
        let due = std::mem::take(&mut self.due).into_iter();
        let until = std::mem::take(&mut self.until).into_iter().map(|Reverse(until)| until.event);
        due.chain(until).map(|event| event.delivery).collect()
    }
}

impl<P: StreamProcessor> Task<P> {
    /// An event has failed and is to be tried again: its lane stays busy until then. While the task drains it is given back.
    #[cold]
    pub(super) fn wait_in_place(
        &mut self,
        lane: LaneNo,
        processor: Option<Box<P>>,
        delivery: Delivery,
        wait: Duration,
    ) {
        if self.drainage.is_some() {
            self.give_back(std::slice::from_ref(&delivery));
            return self.let_go(lane, processor);
        }
        let event = InPlace { lane, processor, delivery };
        self.in_place.until.push(Reverse(Until { at: Instant::now() + wait.min(FOR_EVER), event }));
    }

    /// Those whose wait is over are tried again in this turn, in the order of their times.
    pub(super) fn come_back(&mut self, now: Instant) {
        while self.in_place.until.peek().is_some_and(|Reverse(first)| first.at <= now) {
            let first = self.in_place.until.pop();
            self.in_place.due.extend(first.map(|Reverse(first)| first.event));
        }
    }

    /// At the end of a turn: the task is woken when the first of them is due.
    pub(super) fn wait_for_the_first(&mut self, cx: &mut PollContext<'_>) {
        let Some(Reverse(first)) = self.in_place.until.peek() else { return };
        let at = first.at;
        let alarm = self.in_place.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if alarm.deadline() != at {
            alarm.as_mut().reset(at);
        }
        if alarm.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
