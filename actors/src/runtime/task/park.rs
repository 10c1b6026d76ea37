//! Parking in a task: which events are taken out of the partition's way, and how they come back.
//!
//! What is parked lies with the settlements, and here in memory; [`Parking`] decides.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    pin::Pin,
    task::Context as PollContext,
};

use bytes::Bytes;
use pandaflow::{
    Offset, Order, Record, StreamProcessor, Timestamp, TopicName,
    policy::{
        ledger::{Ledger, Outcome},
        parking::{Parking, ParkingLimits, Released},
        watermark::{Progress, Watermark},
    },
    ports::{Batch, ParkChange, ParkedEvent, Verdict},
};
use tokio::time::Sleep;

use super::Task;
use crate::runtime::{
    applied::AppliedEvents,
    delivery::{Delivered, Delivery, From, Parked},
    env::Env,
};

/// Events that come back from parking and have not ended, at most.
const RELEASED_AT_ONCE: usize = 1_024;

/// Wakes the task when a parked key is due.
pub(super) struct Alarm {
    due: Timestamp,
    sleep: Pin<Box<Sleep>>,
}

/// What a new task makes of the parked events that it finds.
pub(super) struct Found {
    pub(super) parking: Parking,
    /// Those that the log brings once more, by input and offset.
    pub(super) unsettled: BTreeMap<(usize, Offset), ParkedEvent>,
    /// Those that have gone into their key's state already.
    pub(super) applied: HashSet<(TopicName, Offset)>,
    /// Whether the ledger had to be corrected.
    pub(super) corrected: bool,
}

/// Takes up what is parked. An event that the progress does not know of as settled comes again from the log, since its parking
/// became real and the progress behind it did not: then it is an event like any other, with its attempts.
pub(super) fn found(
    parked: Vec<ParkedEvent>,
    limits: ParkingLimits,
    order: Order,
    inputs: &[(TopicName, Watermark)],
    known: &AppliedEvents,
    ledger: &mut Ledger,
) -> Found {
    let progress: Vec<Progress> = inputs.iter().map(|(_, watermark)| watermark.progress()).collect();
    let (mut settled, mut unsettled, mut applied) = (Vec::new(), BTreeMap::new(), HashSet::new());
    let mut count = 0;
    for event in parked {
        let record = &event.record;
        let Some(input) = inputs.iter().position(|(topic, _)| *topic == record.topic) else {
            // An earlier version of the processor read that topic. What it has parked stays where it is stored.
            count += 1;
            continue;
        };
        if !progress[input].is_settled(record.offset) {
            unsettled.insert((input, record.offset), event);
            continue;
        }
        count += 1;
        if known.knows(input, record) {
            applied.insert((record.topic.clone(), record.offset));
        }
        settled.push(event);
    }
    let corrected = ledger.parked_are(count);
    let parking = Parking::restored(limits, settled, |record| key(order, record));
    Found { parking, unsettled, applied, corrected }
}

/// What an event is parked under. Without an order each event is alone.
fn key(order: Order, record: &Record) -> Bytes {
    match order {
        Order::Key => record.key.clone().unwrap_or_default(),
        Order::Partition => Bytes::new(),
        Order::None => format!("{}@{}", record.topic, record.offset).into(),
    }
}

impl<P: StreamProcessor> Task<P> {
    /// Whether it is better to begin nothing new: most of what is tried fails, and something that waits for its next attempt will
    /// show when that is over.
    #[inline]
    pub(super) fn waits_out_an_outage(&self) -> bool {
        self.env.outage.borrow().is_on() && !(self.waiting.is_empty() && self.in_place.is_empty())
    }

    /// The event, if it is to be begun. Not if its key is parked: then it goes behind the others; nor if it came from parking and
    /// one before it has failed since: it is parked still.
    #[inline]
    pub(super) fn passes_parking(&mut self, delivery: Delivery) -> Option<Delivery> {
        if self.parking.is_empty() { Some(delivery) } else { self.passes_what_is_parked(delivery) }
    }

    #[cold]
    fn passes_what_is_parked(&mut self, delivery: Delivery) -> Option<Delivery> {
        match &delivery.from {
            From::Parking(parked) if self.parking.is_current(&parked.key, parked.wave) => Some(delivery),
            From::Parking(_) => {
                self.unclaimed.extend(delivery.claimed);
                self.deliveries.end(delivery);
                None
            }
            From::Log(_) => {
                let key = key(Env::<P>::DECLARATION.order, &delivery.record);
                if delivery.verdict == Some(Verdict::Done) || !self.parking.holds(&key) {
                    return Some(delivery);
                }
                let change =
                    self.parking.park_behind(key, &delivery.record, delivery.failed, delivery.first_failed);
                let counted = delivery.failed > 0;
                self.is_parked(delivery, change, counted);
                None
            }
        }
    }

    /// Parks an event that has failed, until it is due.
    #[cold]
    pub(super) fn park(&mut self, delivery: Delivery, due: Timestamp) {
        if let From::Parking(parked) = &delivery.from {
            let again = self.parking.again(&parked.key, delivery.failed, delivery.first_failed, due);
            self.open.parking.extend(again);
            self.unclaimed.extend(delivery.claimed);
            return self.deliveries.end(delivery);
        }
        let key = key(Env::<P>::DECLARATION.order, &delivery.record);
        let change = self.parking.park(key, &delivery.record, delivery.failed, delivery.first_failed, due);
        // The attempt that has just failed was not counted by itself.
        let counted = delivery.failed > 1;
        self.is_parked(delivery, change, counted);
    }

    /// Books an event of the log that is parked. Its attempts are counted where it lies now; `counted` tells whether they were
    /// before.
    fn is_parked(&mut self, mut delivery: Delivery, change: ParkChange, counted: bool) {
        self.unclaimed.extend(delivery.claimed);
        self.env.telemetry.borrow_mut().batch.ledger.parked += 1;
        self.open.parking.push(change);
        // It is not done: it is claimed again when it comes back.
        delivery.claimed = None;
        delivery.was_parked = false;
        if !counted {
            delivery.failed = 0;
        }
        self.settled(delivery, Outcome::Parked);
    }

    /// Books the end of an event that was parked. What it leaves becomes real with the next settlement.
    #[cold]
    pub(super) fn parked_ended(&mut self, delivery: Delivery, outcome: Outcome) {
        if let From::Parking(parked) = &delivery.from {
            self.open.parking.extend(self.parking.ended(&parked.key));
            self.ledger.released(outcome);
            self.env.telemetry.borrow_mut().released += 1;
        }
        self.deliveries.end(delivery);
    }

    /// Whether events may be taken in of which each might have to be parked. If not, health says so.
    pub(super) fn has_room_to_park(&mut self) -> bool {
        let full = self.parking.is_full();
        if full && self.parking_full.is_none() {
            let count = self.parking.count();
            let mut trouble = self.env.trouble("parking");
            trouble.tell(&format!(
                "{} of {} keys, {} of {} events and {} of {} bytes are parked: partition {} of {} takes in nothing until some of them have ended",
                count.keys,
                self.limits.parking.keys,
                count.events,
                self.limits.parking.events,
                count.bytes,
                self.limits.parking.bytes,
                self.owner_partition(),
                Env::<P>::DECLARATION.name,
            ));
            self.parking_full = Some(trouble);
        } else if !full && let Some(trouble) = self.parking_full.take() {
            trouble.over();
        }
        !full
    }

    /// Whether a parked event is to be handed out now. If not, the task is woken when one is.
    pub(super) fn has_due(&mut self, cx: &mut PollContext<'_>) -> bool {
        let Some(due) = self.parking.next_due().filter(|_| self.parking.out() < RELEASED_AT_ONCE) else {
            return false;
        };
        let now = self.env.clock.now();
        if due <= now {
            self.alarm = None;
            return true;
        }
        if self.alarm.as_ref().is_none_or(|alarm| alarm.due != due) {
            self.alarm = Some(Alarm { due, sleep: Box::pin(tokio::time::sleep(due.since(now))) });
        }
        let rings = self.alarm.as_mut().is_some_and(|alarm| alarm.sleep.as_mut().poll(cx).is_ready());
        if rings {
            // The clock that is asked and the one that wakes may differ by a little.
            self.alarm = None;
            cx.waker().wake_by_ref();
        }
        false
    }

    /// What of a batch was parked before the progress said so, by offset.
    pub(super) fn parked_of(&mut self, batch: &Batch) -> HashMap<Offset, ParkedEvent> {
        if self.unsettled_parked.is_empty() {
            return HashMap::new();
        }
        let offsets = batch.records.iter().map(|record| record.offset);
        offsets.filter_map(|offset| Some((offset, self.parked_before(batch.input, offset)?))).collect()
    }

    /// An event of the log that was parked before the progress said so; `None` if it was not. Those of the input that lie before it
    /// and did not come, since the log doesn't have them any more, are parked.
    fn parked_before(&mut self, input: usize, offset: Offset) -> Option<ParkedEvent> {
        let mut missed = self.unsettled_parked.split_off(&(input, Offset::ZERO));
        let mut behind = missed.split_off(&(input, offset));
        let found = behind.remove(&(input, offset));
        self.unsettled_parked.append(&mut behind);
        for event in missed.into_values() {
            self.ledger.consumed(1);
            self.ledger.parked += 1;
            self.open.ledger_corrected = true;
            self.parking.put_back(key(Env::<P>::DECLARATION.order, &event.record), event);
        }
        found
    }

    /// At the end of a turn in which something may have been parked or have ended: the task is woken when something can come in.
    pub(super) fn set_alarm(&mut self, cx: &mut PollContext<'_>) {
        let takes_none = self.drainage.is_some() || self.failure.is_some() || self.env.halt.is_set();
        // Whatever is prepared wakes the task by itself.
        if (self.parking.is_empty() && self.parking_full.is_none())
            || takes_none
            || self.preparing.is_some()
            || self.next_is_prepared
        {
            return;
        }
        let released_wait = self.retry_is_empty() && self.has_due(cx);
        let fresh_wait = self.parking_full.is_some() && !self.parking.is_full();
        if released_wait || fresh_wait {
            cx.waker().wake_by_ref();
        }
    }

    /// Lets parked events come back that are due.
    pub(super) fn hand_out(&mut self) {
        let now = self.env.clock.now();
        let released = self.parking.release(now, RELEASED_AT_ONCE - self.parking.out());
        self.turns.released(released.len());
        for Released { key, event, wave } in released {
            let record = event.record;
            // Those of no input were not taken up.
            let Some(input) = self.inputs.iter().position(|(topic, _)| *topic == record.topic) else {
                continue;
            };
            let applied = self.applied_parked.contains(&(record.topic.clone(), record.offset));
            self.arrivals += 1;
            let lane = self.lanes.lane_of(record.key.as_ref());
            self.next_batch.push(self.deliveries.make(Delivered {
                input,
                from: From::Parking(Box::new(Parked { key, wave })),
                failed: event.attempts,
                first_failed: event.first_failed,
                claimed: None,
                arrival: self.arrivals,
                lane,
                was_parked: false,
                applied,
                verdict: applied.then_some(Verdict::Done),
                record,
            }));
        }
    }
}
