//! One run of a plan: lives of the process, one after the other, each on a runtime of its own that is dropped where the
//! process is killed.

use std::{cell::Cell, collections::BTreeSet, num::NonZeroUsize, sync::Arc, time::Duration};

use futures_util::FutureExt;
use pandaflow::{
    Group, Partition,
    policy::{dead_letter_budget::DeadLetterLimits, restart_budget::RestartLimits},
};
use tokio::time::Instant;

use super::{
    Simulation,
    action::{Action, Store},
    ending::Ending,
    input::Input,
    plan::{Limits, Plan},
    story::Violation,
    trace::Trace,
    view::{Moment, View},
    world::{World, placed},
};
use crate::{Runtime, RuntimeConfig, Services, ServicesConfig, transport::memory::StoreFaults};

/// How long everything may take to end, on the clock of the simulation, once nothing goes wrong any more.
const LONGEST: Duration = Duration::from_secs(3_600);
/// How long a drain at the end of a run may take.
const DRAIN: Duration = Duration::from_secs(30);

/// How a run went.
pub(super) struct Ran {
    pub(super) end: Result<Ending, Violation>,
    pub(super) trace: u64,
    pub(super) steps: Vec<Vec<String>>,
}

/// Runs a plan.
///
/// # Panics
/// If the program can't be started.
pub(super) fn run(simulation: &Simulation, plan: &Plan, inputs: &[Input], trace: Trace) -> Ran {
    let world = World::new(placed((simulation.program)()), trace);
    let mut run = Run {
        simulation,
        world: &world,
        plan,
        inputs,
        next: 0,
        sent: BTreeSet::new(),
        taken: BTreeSet::new(),
        looked_at: Cell::new(0),
    };
    let end = loop {
        let system = actix::System::with_tokio_rt(paused);
        let _watching = world.watch.this_thread();
        let lived = system.block_on(async {
            let lived = run.live().await;
            (lived, tokio::runtime::Handle::current())
        });
        let (lived, handle) = lived;
        {
            // Here the process is gone, with all that it held. actix polls an actor once more when it is dropped; that this
            // finds its runtime makes the end one that comes a moment later.
            let _inside = handle.enter();
            world.clock.end_life();
            drop(system);
        }
        if let Some(violation) = world.watch.lock().violation() {
            break Err(violation);
        }
        match lived {
            Life::Over => {}
            Life::Ended => break Ok(Ending::of(&world)),
        }
    };
    let mut watch = world.watch.lock();
    Ran { end, trace: watch.trace().value(), steps: watch.trace().take_steps() }
}

/// A tokio runtime whose time has never run by itself: paused later, it would stand at some fraction of a millisecond, and
/// timers, which go by whole ones, would fire as that happens to be.
fn paused() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("the system gives a simulation what a runtime needs")
}

/// How a life of the process ended.
enum Life {
    /// Another one follows.
    Over,
    /// The run is at its end, or broke a guarantee.
    Ended,
}

struct Run<'a> {
    simulation: &'a Simulation,
    world: &'a World,
    plan: &'a Plan,
    inputs: &'a [Input],
    next: usize,
    sent: BTreeSet<usize>,
    /// Partitions that nobody has.
    taken: BTreeSet<(Group, Partition)>,
    /// How many settlements there were when the user's invariants were checked last.
    looked_at: Cell<u64>,
}

impl Run<'_> {
    async fn live(&mut self) -> Life {
        self.world.clock.begin_life();
        self.taken.clear();
        let services = Services::start(&self.world.transport, ServicesConfig::default());
        let program = placed((self.simulation.program)());
        let runtime = Runtime::start(
            &program,
            Arc::new(self.world.transport.clone()),
            services,
            self.world.clock.clone(),
            config(self.plan.limits),
            crate::logging::logger(),
        );
        let runtime =
            runtime.await.unwrap_or_else(|error| panic!("the simulated program can't start: {error}"));
        while let Some(action) = self.plan.actions.get(self.next) {
            self.next += 1;
            self.world.watch.lock().trace().next_step();
            let goes_on = self.act(*action, &runtime).await;
            if self.is_broken(Moment::UnderWay) {
                return Life::Ended;
            }
            if !goes_on || self.has_failed(&runtime).await {
                return Life::Over;
            }
        }
        self.world.watch.lock().trace().next_step();
        if !self.everything_ends(&runtime).await {
            return Life::Over;
        }
        self.is_broken(Moment::Ended);
        Life::Ended
    }

    /// A processor is over its restart budget, or takes no more events since it has made too many dead letters: the process drains and
    /// ends, and whoever runs it starts another.
    async fn has_failed(&self, runtime: &Runtime) -> bool {
        let failed = runtime.failed().now_or_never().or_else(|| runtime.halted().now_or_never());
        if let Some(reason) = &failed {
            self.world.watch.lock().note(|| format!("the process ends: {reason}"));
            runtime.drain(DRAIN).await;
        }
        failed.is_some()
    }

    /// Does one step. `false` if the process is gone after it.
    async fn act(&mut self, action: Action, runtime: &Runtime) -> bool {
        let world = self.world;
        let faults = world.transport.memory.faults();
        match action {
            Action::Send(place) => {
                self.sent.insert(place);
                self.send(place);
            }
            // A plan that was cut down may have lost what it repeats.
            Action::Repeat(place) if !self.sent.contains(&place) => {}
            Action::Repeat(place) => self.send(place),
            Action::Turn(polls) => {
                for _ in 0..polls {
                    tokio::task::yield_now().await;
                }
            }
            Action::Advance(time) => tokio::time::sleep(time).await,
            Action::Crash(waiting) => {
                world.transport.crash(waiting);
                self.heal();
                return false;
            }
            Action::Restart(deadline) => {
                runtime.drain(deadline).await;
                return false;
            }
            Action::Revoke(place) | Action::Lose(place) | Action::Assign(place) => {
                let (group, partition) = world.place(place);
                let whole = (group.clone(), partition);
                match action {
                    Action::Revoke(_) => world.transport.memory.revoke(group, partition),
                    Action::Lose(_) => world.transport.memory.lose(group, partition),
                    _ => world.transport.memory.assign_again(group, partition),
                }
                if matches!(action, Action::Assign(_)) {
                    self.taken.remove(&whole);
                } else {
                    self.taken.insert(whole);
                }
            }
            Action::FailSettlements(times, how) => faults.fail_settlements(times, how.into()),
            Action::HoldSettlements => world.transport.hold_settlements(),
            Action::LateAnswers(late) => world.transport.answer_late(late),
            Action::FailStore(store, times) => store_faults(&faults, store).fail(times),
            Action::HangStore(store) => store_faults(&faults, store).hang(),
            Action::Heal => self.heal(),
            Action::Disturb(disturbance) => world.watch.lock().disturb(disturbance),
        }
        true
    }

    fn send(&self, place: usize) {
        let Some(input) = self.inputs.get(place) else { return };
        let record = input.record(self.world.topic(&input.topic), place);
        let sent = self.world.transport.memory.publish(vec![record]);
        sent.unwrap_or_else(|error| {
            panic!("an input of the simulation is for no topic of the program: {error}")
        });
    }

    fn heal(&self) {
        let faults = self.world.transport.memory.faults();
        faults.fail_settlements(0, pandaflow::ports::SettleErrorKind::Retry);
        for store in [faults.dedup(), faults.states(), faults.dead_letters()] {
            store.fail(0);
            store.release();
        }
        self.world.transport.release_settlements();
    }

    /// Nothing goes wrong any more: everything must come to its end. `false` if the process is gone before.
    async fn everything_ends(&mut self, runtime: &Runtime) -> bool {
        self.heal();
        self.world.watch.lock().calm();
        if !self.taken.is_empty() {
            // One that was asked back is given again once it has been let go.
            tokio::time::sleep(DRAIN + Duration::from_secs(1)).await;
        }
        for (group, partition) in std::mem::take(&mut self.taken) {
            self.world.transport.memory.assign_again(&group, partition);
        }
        let began = Instant::now();
        let mut step = Duration::from_millis(1);
        loop {
            tokio::time::sleep(step).await;
            step = (step * 2).min(Duration::from_secs(1));
            if self.has_failed(runtime).await {
                return false;
            }
            match runtime.is_idle().await {
                Ok(true) => break,
                _ if began.elapsed() > LONGEST => {
                    let what = format!("after {LONGEST:?} without faults something is still under way");
                    self.world.watch.lock().check(Err(Violation::new("everything ends", what)));
                    return true;
                }
                _ => {}
            }
        }
        runtime.drain(DRAIN).await;
        true
    }

    /// Whether a guarantee, or an invariant of the user's, does not hold.
    fn is_broken(&self, moment: Moment) -> bool {
        let settled = self.world.watch.lock().settlements();
        let invariants = &self.simulation.invariants;
        // What a view shows has not changed where nothing was settled.
        let anew = moment == Moment::Ended || self.looked_at.replace(settled) != settled;
        for (name, holds) in invariants.iter().filter(|_| anew) {
            let checked = holds(&View::new(self.world, moment));
            self.world.watch.lock().check(checked.map_err(|what| Violation::new(name, what)));
        }
        self.world.watch.lock().violation().is_some()
    }
}

fn store_faults(faults: &crate::transport::memory::Faults, store: Store) -> &StoreFaults {
    match store {
        Store::Dedup => faults.dedup(),
        Store::States => faults.states(),
        Store::DeadLetters => faults.dead_letters(),
    }
}

fn config(limits: Limits) -> RuntimeConfig {
    RuntimeConfig {
        arbiters: 0,
        blocked_arbiter_after: None,
        // Nobody reads how far behind it is.
        check_every: LONGEST,
        in_flight_events: limits.in_flight_events,
        settle_events: limits.settle_events,
        cached_keys: NonZeroUsize::new(limits.cached_keys).unwrap_or(NonZeroUsize::MIN),
        restarts: RestartLimits { restarts: limits.restarts, ..RestartLimits::default() },
        dead_letters: DeadLetterLimits { in_a_row: limits.dead_letters, percent: 100 },
        ..RuntimeConfig::default()
    }
}
