//! A turn of a task: whatever can go on, goes on, until its neighbours on the arbiter have theirs.

use std::task::{Context as PollContext, Poll};

use futures_util::StreamExt;
use pandaflow::StreamProcessor;

use super::Task;
use crate::runtime::{attempt::Work, delivery::Delivery, lanes::LaneNo, seats::Begun};

/// Events that are begun in one turn.
const TURN: usize = 256;

impl<P: StreamProcessor> Task<P> {
    /// One turn.
    pub(super) fn turn(&mut self, cx: &mut PollContext<'_>) {
        let mut left = TURN;
        loop {
            self.prepare(cx);
            while let Poll::Ready(Some(Some(ended))) = self.waiting.poll_next_unpin(cx) {
                self.end(ended);
            }
            self.env.telemetry.borrow_mut().interrupt();
            left = self.run(left);
            // What has just begun to wait has to be polled once with a waker that wakes this task.
            let again = std::mem::take(&mut self.began_to_wait) || (left > 0 && self.can_go_on());
            if !again {
                break;
            }
        }
        self.env.permits.end_turn();
        if left == 0 && self.can_go_on() {
            cx.waker().wake_by_ref();
        }
        self.settle(cx);
    }

    /// Whether there are events that wait for nothing but their turn.
    pub(super) fn can_go_on(&self) -> bool {
        // Once it has failed, nothing may overtake the event that it failed at.
        self.failure.is_none()
            && (!self.ready.is_empty() || !self.entering.as_slice().is_empty() || self.batch_may_follow())
    }

    /// Begins events, at most `budget`: first those that wait in idle lanes, then those that enter.
    fn run(&mut self, mut budget: usize) -> usize {
        while budget > 0 && self.failure.is_none() {
            if let Some(lane) = self.ready.pop_front() {
                if let Some(delivery) = self.lanes.lane(lane).queue.pop() {
                    self.begin(lane, delivery);
                }
            } else if let Some(delivery) = self.entering.next() {
                self.enter(delivery);
            } else {
                break;
            }
            budget -= 1;
            if self.open.events >= self.limits.settle_events {
                self.cut();
            }
        }
        budget
    }

    /// Brings an event into its lane. It begins there at once, unless another is before it.
    fn enter(&mut self, delivery: Delivery) {
        let no = delivery.lane;
        let lane = self.lanes.lane(no);
        if lane.busy || !lane.queue.is_empty() {
            lane.queue.push(delivery);
        } else {
            self.begin(no, delivery);
        }
    }

    /// Begins an event in its idle lane. Most handlers end at once: the future is polled right here, and only what
    /// has to wait is kept.
    fn begin(&mut self, no: LaneNo, delivery: Delivery) {
        let lane = self.lanes.lane(no);
        lane.busy = true;
        let processor = lane.processor.take();
        match self.seats.begin(Work { lane: no, processor, delivery }) {
            Begun::Ended(ended) => self.end(ended),
            Begun::Waits(event) => {
                self.began_to_wait = true;
                self.waiting.push(event);
            }
        }
    }
}
