//! The way of one event through its lane: claim, attempt, retry in place, dead letter.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use pandaflow::{
    Context, DeadLetter, Effects, EventId, Failure, Origin, Record, StreamProcessor, Timestamp, Tries,
    policy::{restart_budget::Restart, retry::Verdict as Next},
    ports::{AttemptChange, FailedAttempts, Filing, Verdict},
};
use slog::{Drain as _, Logger};

use super::{
    claim::lease_ends,
    delivery::Delivery,
    env::{Draining, Env},
    guarded::{Broken, Guarded, panic_message},
    key_state::{load_state, state_at_hand, writable},
    lanes::LaneNo,
    permits::Permit,
};
use crate::logging::EventLog;

/// An event that is begun in its lane.
pub(crate) struct Work<P> {
    pub(crate) lane: LaneNo,
    /// The user's struct, if the lane has one.
    pub(crate) processor: Option<Box<P>>,
    pub(crate) delivery: Delivery,
    /// For its first attempt.
    pub(crate) permit: Permit,
}

/// An event that has left its lane.
pub(crate) struct Ended<P: StreamProcessor> {
    pub(crate) lane: LaneNo,
    pub(crate) delivery: Delivery,
    /// The user's struct, unless a panic or a time-out took it.
    pub(crate) processor: Option<Box<P>>,
    pub(crate) how: How<P::State>,
    /// Its lane failed more often than its budget allows: the task must, for this reason.
    pub(crate) broken: Option<String>,
}

/// How it left.
pub(crate) enum How<S> {
    /// Handled or filtered.
    Succeeded(Effects<S>),
    /// Seen before.
    Duplicate,
    /// Given up on; the letter is confirmed or goes with the settlement.
    DeadLettered(Filing),
    /// Failed, and to be tried again after this wait, for which it keeps its lane.
    Again(Duration),
    /// Failed, and to be tried again at this time, with its key out of the way until then.
    Parked(Timestamp),
    /// Not handled, since the task drains or fails: it comes again in the next life.
    GivenBack,
}

/// Why one attempt did not succeed.
pub(crate) enum Trouble {
    Failed(Failure),
    Draining,
}

impl From<Draining> for Trouble {
    fn from(_: Draining) -> Self {
        Self::Draining
    }
}

/// Makes one attempt at an event. Further ones are made while it keeps its lane, so that its key keeps its order.
///
/// What is seldom waited for stands in boxes, here and below: every event has room for all that it could wait for. What each
/// event waits for is pinned where it is made: awaited by value, it would be copied there, whole.
pub(crate) async fn run<P: StreamProcessor>(env: Rc<Env<P>>, work: Work<P>) -> Ended<P> {
    let Work { lane, mut processor, mut delivery, permit } = work;
    let mut permit = Some(permit);
    let mut broken = None;
    let is_ours = match delivery.verdict {
        Some(Verdict::Done) => Ok(false),
        Some(Verdict::Leased { until }) => {
            permit = None;
            Box::pin(lease_ends(&env, &delivery, until)).await
        }
        Some(Verdict::Fresh) | None => Ok(true),
    };
    // No further attempt asks once more whose it is.
    delivery.verdict = delivery.verdict.map(|_| Verdict::Fresh);
    let how = match is_ours {
        Ok(true) => pin!(handle(&env, &mut permit, &mut processor, &mut delivery, &mut broken)).await,
        Ok(false) => How::Duplicate,
        Err(Draining) => How::GivenBack,
    };
    if let Some(permit) = permit {
        env.permits.end(permit);
    }
    Ended { lane, delivery, processor, how, broken }
}

async fn handle<P: StreamProcessor>(
    env: &Env<P>,
    permit: &mut Option<Permit>,
    processor: &mut Option<Box<P>>,
    delivery: &mut Delivery,
    broken: &mut Option<String>,
) -> How<P::State> {
    let mut chain = None;
    let failure = match pin!(attempt(env, permit.take(), processor, delivery, &mut chain)).await {
        Ok(effects) => return How::Succeeded(effects),
        Err(Trouble::Draining) => return How::GivenBack,
        Err(Trouble::Failed(failure)) => failure,
    };
    delivery.failed += 1;
    env.telemetry.borrow_mut().batch.failed(failure.class);
    let now = env.clock.now();
    let first_failed = *delivery.first_failed.get_or_insert(now);
    let rebuild = match processor {
        Some(_) => Duration::ZERO,
        None => rebuild_wait(env, &event_log(env, delivery, chain), &failure).unwrap_or_else(|reason| {
            *broken = Some(reason);
            Duration::ZERO
        }),
    };
    env.outage.borrow_mut().failed(delivery.failed, failure.class, since_start(env));
    let random = spread(env, delivery);
    let next = env.policy.after(delivery.failed, now.since(first_failed), &failure, random);
    match in_place_or_parked(env, delivery, next) {
        Next::Retry { wait } => {
            note_failed(env, delivery);
            if broken.is_some() {
                return How::GivenBack;
            }
            env.telemetry.borrow_mut().batch.retries += 1;
            let wait = wait.max(rebuild);
            log_attempt(env, delivery, chain, "attempt failed: trying again", &failure, wait);
            How::Again(wait)
        }
        Next::Park { wait } => {
            env.telemetry.borrow_mut().batch.retries += 1;
            log_attempt(env, delivery, chain, "attempt failed: parked", &failure, wait);
            // The lane has its wait, too; if the task drains, the next one has a new struct anyway.
            if !rebuild.is_zero() {
                let _ = Box::pin(env.wait(rebuild)).await;
            }
            How::Parked(now.after(wait))
        }
        Next::GiveUp => {
            let log = event_log(env, delivery, chain);
            // As where the letter is not filed: its last attempt is made again in the task's next life.
            if Box::pin(within_budget(env, &log, &failure)).await.is_err() {
                // The lane ends with the task, which has drained.
                *broken = None;
                return How::GivenBack;
            }
            let tries = Tries { attempts: delivery.failed, first_failed, last_failed: now };
            match Box::pin(file(env, &log, delivery, failure, tries)).await {
                Ok(filing) => How::DeadLettered(filing),
                // The attempt is not counted, as after a crash: without its letter its failure is not known, so that
                // the last attempt has to be made again, and not one more.
                Err(Draining) => How::GivenBack,
            }
        }
    }
}

/// In a storm of failures nothing is made for a line that nobody reads.
fn log_attempt<P: StreamProcessor>(
    env: &Env<P>,
    delivery: &Delivery,
    chain: Option<EventId>,
    what: &'static str,
    failure: &Failure,
    wait: Duration,
) {
    if env.process_log.is_debug_enabled() {
        let log = event_log(env, delivery, chain);
        slog::debug!(log, "{}", what; "attempt" => delivery.failed, "class" => failure.class.as_str(), "error" => &failure.message, "wait" => ?wait);
    }
}

/// Where the policy's wait is spent. An event that was parked is parked again, so that the count of its attempts is kept with it;
/// a whole partition is never parked, and in an outage nothing is, since it would all be.
fn in_place_or_parked<P: StreamProcessor>(env: &Env<P>, delivery: &Delivery, next: Next) -> Next {
    match next {
        Next::Retry { wait } if delivery.is_released() => Next::Park { wait },
        Next::Park { wait } if !delivery.is_released() && !env.may_park(&delivery.record) => {
            Next::Retry { wait }
        }
        next => next,
    }
}

/// What is written of an event that failed says which it is, and of which chain.
fn event_log<P: StreamProcessor>(env: &Env<P>, delivery: &Delivery, chain: Option<EventId>) -> Logger {
    let event = EventLog {
        processor: Env::<P>::DECLARATION.name.into(),
        namespace: env.scope.namespace.clone(),
        correlation_id: chain.map(|chain| chain.0),
        topic: delivery.record.topic.clone(),
        partition: delivery.record.partition,
        offset: delivery.record.offset,
    };
    event.logger(&env.process_log)
}

/// One attempt, from loading the key's state to the staged effects. If it comes without a permit, it waits for one.
/// If it fails with an event that could be read, it tells the id of its chain.
async fn attempt<P: StreamProcessor>(
    env: &Env<P>,
    permit: Option<Permit>,
    processor: &mut Option<Box<P>>,
    delivery: &Delivery,
    chain: &mut Option<EventId>,
) -> Result<Effects<P::State>, Trouble> {
    let state = match state_at_hand(env, delivery) {
        Some(state) => state,
        None => Box::pin(load_state(env, delivery)).await?,
    };
    let permit = match permit {
        Some(permit) => permit,
        None => {
            let waited = Box::pin(env.unless_draining(env.permits.wait())).await?;
            waited.ok_or(Trouble::Draining)?
        }
    };
    let mut own = match processor.take() {
        Some(own) => own,
        None => build(env).map_err(Trouble::Failed)?,
    };
    let mut ctx = Context::<P>::new(env.scope.clone(), &delivery.record, delivery.failed + 1, state);
    let began = env.telemetry.borrow_mut().begin();
    let outcome = {
        #[cfg(not(feature = "testkit"))]
        let handler = pin!(own.attempt(delivery.input, &delivery.record, &mut ctx));
        #[cfg(feature = "testkit")]
        let handler = pin!(crate::testkit::simulate::attempt(
            &env.owner,
            &delivery.record,
            delivery.failed + 1,
            own.attempt(delivery.input, &delivery.record, &mut ctx)
        ));
        Guarded::new(handler, Env::<P>::DECLARATION.timeout, &env.running).await
    };
    env.permits.end(permit);
    env.telemetry.borrow_mut().attempted(ctx.event_type(), began);
    let correlation = ctx.correlation_id();
    let failure = match outcome {
        Ok(result) => {
            *processor = Some(own);
            match result {
                Ok(()) => match ctx.finish() {
                    Ok(effects) => match writable(env, delivery, &effects) {
                        Ok(()) => {
                            env.outage.borrow_mut().succeeded(delivery.failed + 1, || since_start(env));
                            env.letters.borrow_mut().succeeded();
                            return Ok(effects);
                        }
                        Err(failure) => failure,
                    },
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            }
        }
        // What the handler left of its struct is not to be trusted: it is dropped here.
        Err(Broken::Panicked(message)) => {
            env.telemetry.borrow_mut().batch.panics += 1;
            Failure::panicked(message)
        }
        Err(Broken::TimedOut) => {
            env.telemetry.borrow_mut().batch.timeouts += 1;
            Failure::timed_out(Env::<P>::DECLARATION.timeout)
        }
    };
    *chain = Some(correlation).filter(|chain| !chain.0.is_nil());
    Err(Trouble::Failed(failure))
}

/// How long the task had been there when its last attempt ended.
fn since_start<P: StreamProcessor>(env: &Env<P>) -> Duration {
    env.telemetry.borrow().now().duration_since(env.started)
}

fn build<P: StreamProcessor>(env: &Env<P>) -> Result<Box<P>, Failure> {
    let factory = &env.factory;
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Box::new(factory())))
        .map_err(|panic| Failure::panicked(format!("its factory: {}", panic_message(&*panic))))
}

/// How long a lane whose struct is gone waits for a new one, or why it may not have one.
fn rebuild_wait<P: StreamProcessor>(
    env: &Env<P>,
    log: &Logger,
    failure: &Failure,
) -> Result<Duration, String> {
    env.telemetry.borrow_mut().batch.lane_restarts += 1;
    slog::warn!(log, "a lane is rebuilt"; "error" => &failure.message, "kind" => ?failure.kind);
    match env.rebuilds.borrow_mut().failed(env.started.elapsed()) {
        Restart::After(wait) => Ok(wait),
        Restart::Escalate => Err(format!(
            "its lanes were rebuilt more often than allowed; the last time after: {}",
            failure.message
        )),
    }
}

fn note_failed<P: StreamProcessor>(env: &Env<P>, delivery: &Delivery) {
    env.failed.borrow_mut().push(AttemptChange::Failed(FailedAttempts {
        topic: delivery.record.topic.clone(),
        offset: delivery.record.offset,
        attempts: delivery.failed,
        first_failed: delivery.first_failed.unwrap_or_else(|| env.clock.now()),
    }));
}

/// Counts a dead letter that is to be made. Once there are too many, the processor takes no more events, and those that it would
/// give up on wait until it drains.
async fn within_budget<P: StreamProcessor>(
    env: &Env<P>,
    log: &Logger,
    failure: &Failure,
) -> Result<(), Draining> {
    if !env.halt.is_set() {
        let Err(why) = env.letters.borrow_mut().letter() else { return Ok(()) };
        let reason = format!(
            "{}.{} on partition {}: {why}. The processor takes no more events until it is started anew; the last failure: {}",
            env.scope.namespace,
            Env::<P>::DECLARATION.name,
            env.owner.partition,
            failure.message,
        );
        if env.halt.set(reason.clone()) {
            slog::error!(log, "the budget of dead letters is used up: the processor takes no more events"; "reason" => &reason, "class" => failure.class.as_str());
            env.halted.tell(&reason);
        }
    }
    env.unless_draining(std::future::pending()).await
}

/// Hands the dead letter over until it is taken: it is never dropped.
async fn file<P: StreamProcessor>(
    env: &Env<P>,
    log: &Logger,
    delivery: &Delivery,
    failure: Failure,
    tries: Tries,
) -> Result<Filing, Draining> {
    let record = delivery.record.clone();
    let origin = Origin {
        group: &env.owner.group,
        processor: Env::<P>::DECLARATION.name,
        namespace: &env.scope.namespace,
        event_id: peek_id::<P>(delivery.input, &record),
    };
    let letter = DeadLetter::new(&origin, record, failure, tries);
    slog::warn!(log, "event given up on"; "attempts" => letter.attempts, "class" => letter.class.as_str(), "error" => &letter.message, "fingerprint" => &letter.fingerprint);
    env.ask_to_the_end("dead letters", || env.dead_letters.file(letter.clone())).await
}

/// The id of a record's event. A codec of the user's own that panics tells none; the attempt will say so.
pub(crate) fn peek_id<P: StreamProcessor>(input: usize, record: &Record) -> Option<EventId> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| P::peek_id(input, record))).ok().flatten()
}

/// Where in the range of its wait a retry falls: from the event and the attempt, so that a re-run waits the same.
fn spread<P: StreamProcessor>(env: &Env<P>, delivery: &Delivery) -> u64 {
    let mut hasher = DefaultHasher::new();
    (env.owner.group.as_str(), delivery.record.offset, delivery.failed).hash(&mut hasher);
    hasher.finish()
}
