//! A turn of a task: whatever can go on, goes on, until its neighbours on the arbiter have theirs.

use std::{
    cmp::Reverse,
    task::{Context as PollContext, Poll},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use pandaflow::StreamProcessor;
use tokio::time::Instant;

use super::{Task, in_place::InPlace};
use crate::runtime::{attempt::Work, delivery::Delivery, lanes::LaneNo, permits::Permit, seats::Begun};

/// Events that are begun in one turn at most: so many that those of one lane find it in the processor's cache.
const TURN: usize = 1_024;
/// How long a turn goes on at most, so that neighbours on the arbiter needn't wait for slow handlers.
const TURN_TIME: Duration = Duration::from_millis(2);
/// How many events are begun before the clock is looked at again.
const LOOK_EVERY: usize = 32;

impl<P: StreamProcessor> Task<P> {
    /// One turn.
    pub(super) fn turn(&mut self, cx: &mut PollContext<'_>) {
        let began = Instant::now();
        let mut left = TURN;
        if self.env.halt.is_set() && self.halted.is_none() {
            self.tell_halt();
        }
        self.come_back(began);
        loop {
            self.prepare(cx);
            while let Poll::Ready(Some(Some(ended))) = self.waiting.poll_next_unpin(cx) {
                self.end(ended);
            }
            self.env.telemetry.borrow_mut().interrupt();
            left = self.run(left, began, cx);
            // What has just begun to wait has to be polled once with a waker that wakes this task.
            let again = std::mem::take(&mut self.began_to_wait) || (left > 0 && self.can_go_on());
            if !again {
                break;
            }
        }
        self.env.permits.end_turn();
        if !self.has_next() {
            // A permit that is not needed any more would be kept from others.
            self.asking = None;
        }
        self.settle(cx);
        // The turn is over, though more could begin; or a lane that waited for its settlement goes on.
        if self.can_go_on() {
            cx.waker().wake_by_ref();
        }
        self.set_alarm(cx);
        self.wait_for_the_first(cx);
    }

    /// Whether there are events that wait for nothing but their turn.
    pub(super) fn can_go_on(&self) -> bool {
        let batch_may_follow = self.failure.is_none() && self.batch_may_follow();
        self.asking.is_none() && (self.has_next() || batch_may_follow)
    }

    /// Whether there is an event that could begin, given a permit.
    fn has_next(&self) -> bool {
        // Once the task has failed, nothing may overtake the event that it failed at.
        let enters = !self.entering.as_slice().is_empty() && self.lanes.have_room();
        let begins =
            (enters || !self.ready.is_empty()) && !self.waits_out_an_outage() && !self.env.halt.is_set();
        self.failure.is_none() && (begins || self.in_place.are_due())
    }

    /// Begins events, at most `budget`, while there are permits. Tells what is left of the budget: nothing, once the turn
    /// that began then is over.
    fn run(&mut self, mut budget: usize, began: Instant, cx: &mut PollContext<'_>) -> usize {
        while budget > 0 && self.has_next() {
            let Some(permit) = self.permit(cx) else { break };
            budget -= 1;
            if budget.is_multiple_of(LOOK_EVERY) && began.elapsed() > TURN_TIME {
                budget = 0;
            }
            self.run_next(permit);
            if self.open.len() >= self.limits.settle_events {
                self.cut();
            }
        }
        budget
    }

    fn permit(&mut self, cx: &mut PollContext<'_>) -> Option<Permit> {
        if self.asking.is_none() {
            if let Some(permit) = self.env.permits.at_once() {
                return Some(permit);
            }
            let env = self.env.clone();
            self.asking = Some(async move { env.permits.wait().await }.boxed_local());
        }
        match self.asking.as_mut()?.poll_unpin(cx) {
            Poll::Ready(permit) => {
                self.asking = None;
                permit
            }
            Poll::Pending => None,
        }
    }

    /// Goes on with the event that came first of those that can begin. Those that are tried again came before those in lanes, and
    /// these before those that enter.
    fn run_next(&mut self, permit: Permit) {
        if let Some(InPlace { lane, processor, delivery }) = self.in_place.next_due() {
            self.attempt(Work { lane, processor, delivery, permit });
        } else if let Some(Reverse((_, no))) = self.ready.pop() {
            if let Some(delivery) = self.lanes.lane(no).queue.pop() {
                self.begin(no, delivery, permit);
            }
        } else if let Some(delivery) = self.entering.next() {
            let no = self.lanes.enter(delivery.lane);
            let lane = self.lanes.lane(no);
            if lane.busy {
                lane.queue.push(delivery);
                self.env.permits.end(permit);
            } else {
                self.begin(no, delivery, permit);
            }
        }
    }

    /// Begins an event in its idle lane. Most handlers end at once: the future is polled right here, and only what
    /// has to wait is kept.
    fn begin(&mut self, no: LaneNo, delivery: Delivery, permit: Permit) {
        let delivery = match self.passes_parking(delivery) {
            Some(delivery) => delivery,
            None => {
                self.env.permits.end(permit);
                return self.go_on(no);
            }
        };
        self.released_begun += usize::from(delivery.is_released());
        let lane = self.lanes.lane(no);
        lane.busy = true;
        let processor = lane.processor.take();
        self.attempt(Work { lane: no, processor, delivery, permit });
    }

    fn attempt(&mut self, work: Work<P>) {
        match self.seats.begin(work) {
            Begun::Ended(ended) => self.end(ended),
            Begun::Waits(event) => {
                self.began_to_wait = true;
                self.waiting.push(event);
            }
        }
    }
}
