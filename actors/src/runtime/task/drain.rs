//! Draining: nothing comes in any more, what has begun ends, what has ended is settled.

use std::{future::Future, pin::Pin, sync::atomic::Ordering, task::Context as PollContext};

use actix::{ActorContext, Context, Handler};
use pandaflow::StreamProcessor;
use tokio::time::Sleep;

use super::{Drain, HowTaskEnded, Lose, Task};
use crate::runtime::delivery::Delivery;

/// A drain that is under way.
pub(super) struct Drainage {
    deadline: Pin<Box<Sleep>>,
    /// Let go when the task ends: whoever waits for the partition may have it.
    released: Option<Box<dyn Send>>,
}

impl<P: StreamProcessor> Task<P> {
    /// Whether the task is over, and how.
    pub(super) fn over(&mut self, cx: &mut PollContext<'_>) -> Option<HowTaskEnded> {
        if self.failure.is_some() {
            // What has ended and waits for its turn to be settled is not thrown away; failed attempts count in it.
            let turn_comes = !self.barred && !self.settling.is_empty() && self.retry_is_empty();
            if turn_comes && !self.open.is_empty() {
                return None;
            }
            let ended = if self.starts_over { HowTaskEnded::StartsOver } else { HowTaskEnded::Failed };
            return self.failure.take().map(ended);
        }
        if self.fenced {
            return Some(HowTaskEnded::Released);
        }
        let drainage = self.drainage.as_mut()?;
        let late = drainage.deadline.as_mut().poll(cx).is_ready();
        let nothing_open = self.open.is_empty() && self.committing.is_empty();
        let settled = self.settling.is_empty() && self.retry_is_empty() && nothing_open;
        if late && (!self.waiting.is_empty() || !settled) {
            self.env.cut_off.fetch_add(1, Ordering::Relaxed);
        }
        if late && !self.waiting.is_empty() {
            self.abandon();
        }
        (self.waiting.is_empty() && self.preparing.is_none() && (settled || late)).then(|| {
            self.tell();
            HowTaskEnded::Released
        })
    }

    /// Past the deadline: handlers that still run are dropped, and with them all that they staged.
    fn abandon(&mut self) {
        slog::warn!(self.env.log, "handlers still ran at the drain's deadline: their events come again"; "events" => self.waiting.len());
        self.ledger.consumed -= (self.waiting.len() - self.released_begun) as u64;
        self.waiting.clear();
    }

    /// The task can't go on.
    pub(super) fn fail(&mut self, reason: String) {
        self.failure.get_or_insert(reason);
    }

    fn waiting_to_start(&mut self) -> Vec<Delivery> {
        let mut waiting = self.lanes.give_up_waiting();
        waiting.extend(self.entering.by_ref());
        self.intake.clear();
        // With its claim on the way, the batch that comes next comes back by itself.
        if self.preparing.is_none() {
            waiting.append(&mut self.next_batch);
        }
        waiting
    }
}

impl<P: StreamProcessor> Handler<Drain> for Task<P> {
    type Result = ();

    fn handle(&mut self, drain: Drain, _: &mut Context<Self>) {
        if self.drainage.is_some() {
            return;
        }
        self.drainage = Some(Drainage {
            deadline: Box::pin(tokio::time::sleep(drain.deadline)),
            released: drain.released,
        });
        let waiting = self.waiting_to_start();
        self.ready.clear();
        self.give_back(&waiting);
        let between_attempts = self.in_place.give_up();
        self.give_back(&between_attempts);
        self.env.begin_drain();
    }
}

impl<P: StreamProcessor> Handler<Lose> for Task<P> {
    type Result = ();

    fn handle(&mut self, _: Lose, ctx: &mut Context<Self>) {
        self.report_end(HowTaskEnded::Released);
        ctx.stop();
    }
}

impl Drop for Drainage {
    fn drop(&mut self) {
        drop(self.released.take());
    }
}
