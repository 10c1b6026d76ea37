//! The end of an event: its effects go into the open settlement, its lane goes on.

use std::cmp::Reverse;

use pandaflow::{
    Effects, StreamProcessor, policy::ledger::Outcome, ports::AttemptChange, ports::Filing, ports::ParkChange,
};

use super::{Task, commit::Committing};
use crate::runtime::{
    attempt::{Ended, How},
    delivery::{Delivery, From},
    env::Env,
    lanes::LaneNo,
    open_settlement::mark,
};

impl<P: StreamProcessor> Task<P> {
    /// Takes an event back from its lane, and lets the lane go on.
    pub(super) fn end(&mut self, ended: Ended<P>) {
        let Ended { lane, delivery, processor, how, broken } = ended;
        self.released_begun -= usize::from(delivery.is_released());
        match how {
            How::Succeeded(mut effects) => match effects.transaction.take() {
                Some(transaction) => {
                    let committing = Committing { lane, processor, delivery, effects, transaction };
                    self.committing.push_back(Box::new(committing));
                    return;
                }
                None => self.succeeded(delivery, effects),
            },
            How::Duplicate => self.settled(delivery, Outcome::Duplicate),
            How::DeadLettered(filing) => {
                if let Filing::WithSettlement(letter) = filing {
                    self.open.dead_letters.push(*letter);
                }
                self.settled(delivery, Outcome::DeadLettered);
            }
            How::Again(wait) => return self.wait_in_place(lane, processor, delivery, wait),
            How::Parked(due) => self.park(delivery, due),
            How::GivenBack => self.give_back(std::slice::from_ref(&delivery)),
        }
        if let Some(reason) = broken {
            self.fail(reason);
        }
        self.let_go(lane, processor);
    }

    /// A lane has ended its event, and goes on.
    pub(super) fn let_go(&mut self, lane: LaneNo, processor: Option<Box<P>>) {
        let idle = self.lanes.lane(lane);
        idle.processor = processor;
        idle.busy = false;
        self.go_on(lane);
    }

    /// Lets a lane that is not busy go on with what waits in it.
    pub(super) fn go_on(&mut self, lane: LaneNo) {
        match self.lanes.lane(lane).queue.since() {
            Some(arrival) => self.ready.push(Reverse((arrival, lane))),
            None => self.lanes.is_idle(lane),
        }
    }

    pub(super) fn succeeded(&mut self, delivery: Delivery, mut effects: Effects<P::State>) {
        if effects.filtered {
            return self.settled(delivery, Outcome::Filtered);
        }
        if let Some(state) = effects.state {
            let key = delivery.record.key.clone().unwrap_or_default();
            let event = (delivery.input, delivery.record.offset);
            self.env.cache.borrow_mut().change(&key, state, event);
        }
        if !effects.outputs.is_empty() {
            self.env.telemetry.borrow_mut().batch.emitted += effects.outputs.len() as u64;
            self.open.outputs.append(&mut effects.outputs);
        }
        self.settled(delivery, Outcome::Succeeded);
    }

    /// Books an event that has ended. What it leaves becomes real with the next settlement.
    pub(super) fn settled(&mut self, delivery: Delivery, outcome: Outcome) {
        if let Some(id) = delivery.claimed
            && let Some(dedup) = Env::<P>::DECLARATION.dedup
            && (outcome != Outcome::Duplicate || delivery.applied)
        {
            self.open.marks.push(mark(id, self.env.clock.now(), dedup.ttl));
        }
        let ticket = match &delivery.from {
            From::Log(ticket) => *ticket,
            From::Parking(_) => return self.parked_ended(delivery, outcome),
        };
        if delivery.was_parked {
            let (topic, offset) = (delivery.record.topic.clone(), delivery.record.offset);
            self.open.parking.push(ParkChange::Ended { topic, offset });
        }
        if delivery.failed > 0 {
            // Its failed attempts are noted before its end.
            self.open.attempts.append(&mut self.env.failed.borrow_mut());
            self.open.attempts.push(AttemptChange::Ended {
                topic: delivery.record.topic.clone(),
                offset: delivery.record.offset,
            });
        }
        self.ledger.settled(outcome);
        self.inputs[delivery.input].1.settle(ticket);
        self.open.events += 1;
        self.open.bytes += delivery.record.size();
        self.deliveries.end(delivery);
    }

    /// Un-counts events that were taken in and not handled: they come again.
    pub(super) fn give_back(&mut self, deliveries: &[Delivery]) {
        // Those that are parked stay so.
        let of_the_log = deliveries.iter().filter(|delivery| !delivery.is_released());
        self.ledger.consumed -= of_the_log.count() as u64;
        self.release_claims(deliveries);
    }
}
