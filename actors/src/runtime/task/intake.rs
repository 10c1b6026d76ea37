//! Intake: batches from the source become deliveries, claimed and with their state at hand, in the lanes.

use std::{collections::HashSet, rc::Rc, task::Context as PollContext};

use bytes::Bytes;
use futures_util::FutureExt;
use pandaflow::{
    StreamProcessor,
    policy::watermark::TakeIn,
    ports::{Batch, Verdict},
};

use super::Task;
use crate::runtime::{
    attempt::peek_id,
    claim::claim_of,
    delivery::{Delivered, Delivery, From},
    env::{Draining, Env},
    key_state::keeps_state,
    state_row,
};

/// Events of which no further batch is added to a claim: as many still fit the processor's cache.
const CLAIMED_TOGETHER: usize = 1_024;

/// What a batch waited for.
pub(super) struct Prepared<S> {
    /// One verdict per delivery, where the processor dedups; `Err` if the task drains meanwhile.
    verdicts: Result<Option<Vec<Verdict>>, Draining>,
    /// State of keys that were not in memory. One that doesn't fit is left out: its event's own attempt says so.
    loaded: Vec<(Bytes, Rc<S>)>,
}

impl<P: StreamProcessor> Task<P> {
    /// Takes a batch: it waits for its turn as it came.
    pub(super) fn take(&mut self, batch: Batch) -> Result<(), String> {
        if batch.input >= self.inputs.len() {
            return Err(format!("its source delivered input {}, which it doesn't have", batch.input));
        }
        self.intake.push_back(batch);
        Ok(())
    }

    /// Whether it is a batch's turn to enter the lanes.
    pub(super) fn batch_may_follow(&self) -> bool {
        self.next_is_prepared && self.entering.as_slice().is_empty()
    }

    /// Lets batches enter their lanes, in order. While the events of one enter, the next one gets its claims and its
    /// state; those behind it stay as they came, so that what is at work fits the processor's cache.
    pub(super) fn prepare(&mut self, cx: &mut PollContext<'_>) {
        loop {
            if let Some(preparing) = &mut self.preparing {
                let std::task::Poll::Ready(prepared) = preparing.poll_unpin(cx) else { return };
                self.preparing = None;
                self.prepared(prepared);
            }
            if self.next_is_prepared {
                if !self.entering.as_slice().is_empty() {
                    return;
                }
                self.next_is_prepared = false;
                self.entering = std::mem::take(&mut self.next_batch).into_iter();
            }
            if !self.take_in_next(cx) {
                return;
            }
            let ids = claim_ids::<P>(&mut self.next_batch);
            let missing = missing_states(&self.env, &self.next_batch);
            if ids.is_none() && missing.is_empty() {
                self.next_is_prepared = true;
            } else {
                self.env.cache.borrow_mut().begin_loading();
                self.preparing = Some(
                    ask(self.env.clone(), std::mem::take(&mut self.unclaimed), ids, missing).boxed_local(),
                );
            }
        }
    }

    /// Takes the next events in: those that come back from parking, or fresh ones. Whether there are any.
    fn take_in_next(&mut self, cx: &mut PollContext<'_>) -> bool {
        if self.env.halt.is_set() {
            return false;
        }
        if self.parking.is_empty() && self.parking_full.is_none() {
            return self.take_in();
        }
        self.take_in_beside_parking(cx)
    }

    #[cold]
    fn take_in_beside_parking(&mut self, cx: &mut PollContext<'_>) -> bool {
        if self.drainage.is_some() || self.failure.is_some() {
            return false;
        }
        let fresh_wait = self.has_room_to_park() && !self.intake.is_empty();
        // While nothing becomes real, what comes back would only be tried again and again.
        let released_wait = self.retry_is_empty() && self.has_due(cx);
        if !fresh_wait || !released_wait {
            self.turns.alone();
        }
        if released_wait && (!fresh_wait || self.turns.is_released_turn()) {
            self.hand_out();
        } else if fresh_wait {
            self.take_in();
            self.turns.fresh(self.next_batch.len());
        }
        !self.next_batch.is_empty()
    }

    /// Takes the next batch in: counts it, and leaves out what was settled before. Whether there is one. Batches that have gathered
    /// while a claim was under way are claimed together: a store behind a network is asked less often, the slower it is.
    fn take_in(&mut self) -> bool {
        let most = if Env::<P>::DECLARATION.dedup.is_some() { CLAIMED_TOGETHER } else { 1 };
        while self.next_batch.len() < most {
            let Some(batch) = self.intake.pop_front() else { break };
            let before = self.next_batch.len();
            let (settled, bytes) = self.take_in_batch(batch);
            if settled > 0 {
                self.demand.request(settled, bytes);
            }
            self.ledger.consumed((self.next_batch.len() - before) as u64);
        }
        !self.next_batch.is_empty()
    }

    /// Makes deliveries of what is new; tells how many records, and bytes, were settled before.
    fn take_in_batch(&mut self, batch: Batch) -> (usize, usize) {
        let (mut settled, mut bytes) = (0, 0);
        let mut parked_before = self.parked_of(&batch);
        let (topic, watermark) = &mut self.inputs[batch.input];
        self.next_batch.reserve_exact(batch.records.len());
        for record in batch.records {
            debug_assert_eq!(*topic, record.topic);
            let TakeIn::New(ticket) = watermark.take_in(record.offset) else {
                settled += 1;
                bytes += record.size();
                continue;
            };
            // Mostly nothing has failed: an empty map would still make a hash.
            let (mut failed, mut first_failed, mut was_parked) = (0, None, false);
            if !self.failed.is_empty()
                && let Some(counted) = self.failed.remove(&(batch.input, record.offset))
            {
                (failed, first_failed) = (counted.attempts, Some(counted.first_failed));
            }
            if !parked_before.is_empty()
                && let Some(event) = parked_before.remove(&record.offset)
            {
                was_parked = true;
                if event.attempts >= failed {
                    (failed, first_failed) = (event.attempts, event.first_failed);
                }
            }
            let applied = !self.applied.is_empty() && self.applied.contains(batch.input, &record);
            self.arrivals += 1;
            let lane = self.lanes.lane_of(record.key.as_ref());
            self.next_batch.push(self.deliveries.make(Delivered {
                input: batch.input,
                from: From::Log(ticket),
                failed,
                first_failed,
                was_parked,
                claimed: None,
                arrival: self.arrivals,
                lane,
                applied,
                verdict: applied.then_some(Verdict::Done),
                record,
            }));
        }
        (settled, bytes)
    }

    fn prepared(&mut self, prepared: Prepared<P::State>) {
        {
            let mut cache = self.env.cache.borrow_mut();
            for (key, state) in prepared.loaded {
                cache.loaded(key, state);
            }
            cache.end_loading();
        }
        match prepared.verdicts {
            Ok(verdicts) if self.drainage.is_none() => {
                let claimed = self
                    .next_batch
                    .iter_mut()
                    .filter(|delivery| delivery.claimed.is_some() && !delivery.applied);
                for (delivery, verdict) in claimed.zip(verdicts.unwrap_or_default()) {
                    self.env.telemetry.borrow_mut().batch.judged(verdict);
                    delivery.verdict = Some(verdict);
                }
                self.next_is_prepared = true;
            }
            _ => {
                let deliveries = std::mem::take(&mut self.next_batch);
                self.give_back(&deliveries);
            }
        }
    }
}

/// The ids to claim, where the processor dedups. Bytes without an id go on unclaimed: they become dead letters.
fn claim_ids<P: StreamProcessor>(deliveries: &mut [Delivery]) -> Option<Vec<pandaflow::EventId>> {
    Env::<P>::DECLARATION.dedup?;
    let mut ids = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        delivery.claimed = peek_id::<P>(delivery.input, &delivery.record);
        if !delivery.applied {
            ids.extend(delivery.claimed);
        }
    }
    Some(ids)
}

fn missing_states<P: StreamProcessor>(env: &Env<P>, deliveries: &[Delivery]) -> Vec<Bytes> {
    if !keeps_state::<P>() {
        return Vec::new();
    }
    let cache = env.cache.borrow();
    let mut missing = HashSet::new();
    for delivery in deliveries {
        let key = delivery.record.key.clone().unwrap_or_default();
        if !cache.contains(&key) {
            missing.insert(key);
        }
    }
    missing.into_iter().collect()
}

/// Claims events; the first claim of a task ends those of the partition's earlier owners.
async fn claim<P: StreamProcessor>(
    env: &Env<P>,
    ids: &[pandaflow::EventId],
) -> Result<Vec<Verdict>, Draining> {
    if !env.fenced.get() {
        env.ask("dedup", || env.dedup.fence(env.owner.group.clone(), env.owner.clone())).await?;
        env.fenced.set(true);
    }
    env.ask("dedup", || env.dedup.claim(claim_of(env, ids.to_vec()))).await
}

/// Ends claims of events that are parked, as often as it takes: one that comes back and found its own claim would wait for itself.
async fn release<P: StreamProcessor>(env: &Env<P>, ids: &[pandaflow::EventId]) -> Result<(), Draining> {
    if ids.is_empty() {
        return Ok(());
    }
    env.ask("dedup", || env.dedup.release(env.owner.clone(), ids.to_vec())).await
}

async fn ask<P: StreamProcessor>(
    env: Rc<Env<P>>,
    unclaimed: Vec<pandaflow::EventId>,
    ids: Option<Vec<pandaflow::EventId>>,
    missing: Vec<Bytes>,
) -> Prepared<P::State> {
    let verdicts = match ids {
        Some(ids) => match release(&env, &unclaimed).await {
            Ok(()) => claim(&env, &ids).await.map(Some),
            Err(draining) => Err(draining),
        },
        None => Ok(None),
    };
    let mut loaded = Vec::with_capacity(missing.len());
    if !missing.is_empty() && verdicts.is_ok() {
        env.telemetry.borrow_mut().batch.cache_misses += missing.len() as u64;
        let load = || env.states.load(env.owner.group.clone(), env.owner.partition, missing.clone());
        let stored = env.ask("state", load).await.unwrap_or_default();
        for (key, bytes) in missing.into_iter().zip(stored) {
            let state = match bytes {
                Some(bytes) => {
                    state_row::decode(&key, Env::<P>::DECLARATION.state_version, &bytes).ok().map(Rc::new)
                }
                None => Some(env.blank.clone()),
            };
            loaded.extend(state.map(|state| (key, state)));
        }
    }
    Prepared { verdicts, loaded }
}
