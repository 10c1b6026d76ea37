//! Settling: what ended is cut into settlements and made real, in order, as often as it takes.

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context as PollContext, Poll},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use pandaflow::{
    EventId, StreamProcessor,
    ports::{SettleErrorKind, Settlement, StateChange, Unsettled},
};
use tokio::time::{Instant, Sleep};

use super::Task;
use crate::runtime::{
    env::{Env, Trouble},
    lanes::LaneNo,
    open_settlement::Cut,
};

/// Settlements without outputs on their way at once: one being made real, one waiting behind it.
const MOST_UNDER_WAY: usize = 2;
/// The first and the longest wait before a settlement is tried again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What is remembered of a settlement on its way.
pub(super) struct Under<P> {
    cut_at: Instant,
    events: usize,
    bytes: usize,
    states: Vec<StateChange>,
    ids: Vec<EventId>,
    /// The lane that waits for it, with the user's struct.
    pub(super) lane: Option<(LaneNo, Option<Box<P>>)>,
}

/// Settlements that came back, until they are tried again, in their order.
#[derive(Default)]
pub(super) struct Retry {
    back: BTreeMap<u64, Settlement>,
    wait: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// From the first that came back until one becomes real.
    trouble: Option<Trouble>,
}

impl<P: StreamProcessor> Task<P> {
    /// Takes in what has become real, tries again what has not, cuts what is open.
    pub(super) fn settle(&mut self, cx: &mut PollContext<'_>) {
        loop {
            while let Poll::Ready(Some((number, result))) = self.settling.poll_next_unpin(cx) {
                match result {
                    Ok(()) => self.became_real(number),
                    Err(unsettled) => self.came_back(number, *unsettled),
                }
            }
            self.try_again(cx);
            self.open.attempts.append(&mut self.env.failed.borrow_mut());
            let before = self.next_settlement;
            let waited_for = self.failure.is_some() || !self.committing.is_empty();
            if !self.can_go_on() || waited_for || self.open.len() >= self.limits.settle_events {
                self.cut();
            }
            self.commit_next();
            // A settlement that was just handed over has to be polled once to wake us.
            if before == self.next_settlement {
                return;
            }
        }
    }

    /// Closes the open settlement and hands it over, unless enough are on their way.
    pub(super) fn cut(&mut self) {
        // Somebody waits for outputs.
        let most = if self.open.outputs.is_empty() { MOST_UNDER_WAY } else { self.settlement.at_once() };
        if self.settling.len() < most
            && let Some((number, settlement)) = self.close()
        {
            let settled = self.settlement.settle(settlement);
            self.hand_over(number, settled);
        }
    }

    /// Closes the open settlement, if it is its turn.
    pub(super) fn close(&mut self) -> Option<(u64, Settlement)> {
        // After a settlement that will never become real, none may: its progress would pass the other's events.
        let barred = self.fenced || self.barred;
        if barred || self.open.is_empty() || !self.retry.back.is_empty() {
            return None;
        }
        self.env.telemetry.borrow_mut().interrupt();
        let states = self.env.cache.borrow_mut().cut(Env::<P>::DECLARATION.state_version);
        let states = match states {
            Ok(states) => states,
            Err(error) => {
                self.barred = true;
                self.fail(error.to_string());
                return None;
            }
        };
        let progress =
            self.inputs.iter().map(|(topic, watermark)| (topic.clone(), watermark.progress())).collect();
        let Cut { settlement, events, bytes } =
            self.open.cut(self.env.owner.clone(), states, progress, self.ledger);
        let number = self.next_settlement;
        self.next_settlement += 1;
        let ids = settlement.marks.iter().map(|mark| mark.id).collect();
        self.under.insert(
            number,
            Under {
                cut_at: Instant::now(),
                events,
                bytes,
                states: keys_of(&settlement.states),
                ids,
                lane: None,
            },
        );
        Some((number, settlement))
    }

    pub(super) fn hand_over(&mut self, number: u64, settled: BoxFuture<'static, Result<(), Box<Unsettled>>>) {
        self.settling.push(settled.map(move |result| (number, result)).boxed());
    }

    fn became_real(&mut self, number: u64) {
        self.retry.wait = Duration::ZERO;
        self.retry.trouble.take().into_iter().for_each(Trouble::over);
        let Some(under) = self.under.remove(&number) else { return };
        self.env.cache.borrow_mut().settled(&under.states);
        if !under.ids.is_empty() {
            let done = self.env.dedup.done(self.env.owner.clone(), under.ids);
            // If it fails, the claims end with their lease: the marks are settled.
            actix_rt::spawn(async move { drop(done.await) });
        }
        self.env.telemetry.borrow_mut().settled(under.cut_at);
        if let Some((lane, processor)) = under.lane {
            self.let_go(lane, processor);
        }
        if self.drainage.is_none() && under.events > 0 {
            self.demand.request(under.events, under.bytes);
        }
    }

    fn came_back(&mut self, number: u64, unsettled: Unsettled) {
        let Unsettled { settlement, error } = unsettled;
        match error.kind {
            SettleErrorKind::Fenced => self.fenced = true,
            SettleErrorKind::StartOver => {
                self.barred = true;
                self.starts_over = self.failure.is_none();
                self.fail(error.to_string());
            }
            SettleErrorKind::Retry => {
                if self.retry.trouble.is_none() {
                    slog::warn!(self.env.log, "not settled: trying again"; "error" => %error);
                }
                // Those behind the first come back because of it: its reason is the one to tell.
                if self.retry.back.is_empty() {
                    self.retry.trouble.get_or_insert_with(|| self.env.trouble("settlement")).tell(&error);
                }
                self.retry.back.insert(number, settlement);
            }
            _ => {
                self.barred = true;
                self.fail(error.to_string());
            }
        }
    }

    /// Whether nothing waits to be tried again.
    pub(super) fn retry_is_empty(&self) -> bool {
        self.retry.back.is_empty()
    }

    /// The task ends: nobody waits any more for what has not become real.
    pub(super) fn forget_trouble(&mut self) {
        self.retry.trouble = None;
    }

    /// Once all that was on its way has come back, waits, then hands it over again in its order.
    fn try_again(&mut self, cx: &mut PollContext<'_>) {
        if self.retry.back.is_empty() || !self.settling.is_empty() {
            return;
        }
        if self.retry.timer.is_none() {
            self.retry.wait = (self.retry.wait * 2).clamp(BACKOFF.0, BACKOFF.1);
            self.retry.timer = Some(Box::pin(tokio::time::sleep(self.retry.wait)));
        }
        let waited = self.retry.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        if waited {
            self.retry.timer = None;
            for (number, settlement) in std::mem::take(&mut self.retry.back) {
                let settled = self.settlement.settle(settlement);
                self.hand_over(number, settled);
            }
            while let Poll::Ready(Some((number, result))) = self.settling.poll_next_unpin(cx) {
                match result {
                    Ok(()) => self.became_real(number),
                    Err(unsettled) => self.came_back(number, *unsettled),
                }
            }
        }
    }
}

/// The keys alone: the values are with the settlement.
fn keys_of(states: &[StateChange]) -> Vec<StateChange> {
    states.iter().map(|change| StateChange::new(change.key.clone(), None)).collect()
}
