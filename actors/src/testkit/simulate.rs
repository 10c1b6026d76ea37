//! Simulation: a whole program on one thread, with virtual time and a schedule of faults that is drawn from a seed.
//!
//! [`simulate`] takes a program as it is. Each seed draws input, a plan of what goes wrong and small limits for the runtime.
//! The process is killed (its whole runtime is dropped at that instant), restarted, its partitions are revoked, lost and
//! started over, its stores fail, hang and answer late, its handlers fail, panic, hang and take their time, events come twice.
//! After every step the guarantees of `docs/semantics.md` are checked, and at the end the run must have ended like one that
//! nothing happened to. A seed that fails is cut down to the steps that it takes and told as a story.
//!
//! What a program must do for that is what it must do anyway: the same event and state have the same effects. And where one
//! step gathers events of several keys or topics, whose order among each other nobody promises, its effects must not depend
//! on that order.
//!
//! A new invariant of the runtime goes into `audit.rs` (or `ending.rs`), a new fault is a variant of [`Action`], drawn in
//! `plan.rs` and done in `run.rs`.

mod action;
mod audit;
mod clock;
mod effects;
mod ending;
mod entry;
mod faults;
mod input;
mod plan;
mod rng;
mod run;
mod shrink;
mod story;
mod trace;
mod view;
mod watch;
mod watched_transport;
mod world;

use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use pandaflow::Payload;
use serde::Serialize;

pub use self::{
    action::{Action, Disturbance, Place, Refusal, Store, Trouble, Waiting, When},
    faults::Faults,
    input::Input,
    rng::Rng,
    story::{Failure, Violation},
    view::{Moment, View},
};
pub(crate) use watch::attempt;

use self::{
    plan::{Limits, Plan, Stage},
    run::{Ran, run},
    story::Line,
    trace::Trace,
    world::{Layout, placed},
};
use crate::Program;

type Feed = dyn Fn(&mut Rng) -> Vec<Input> + Send + Sync;
type Holds = dyn Fn(&View<'_>) -> Result<(), String> + Send + Sync;

/// Simulates the program that `program` makes; it is called for each life of the process.
///
/// ```
/// use pandaflow_actors::{Program, testkit::simulate::{Input, simulate}};
/// # use pandaflow::{Context, Event, Handle, StreamProcessor};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, Event)]
/// # #[event(type = "paid", version = 1, key = "{account}")]
/// # struct Paid { account: String, cents: i64 }
/// # #[derive(Default, Clone, Serialize, Deserialize)]
/// # struct Total { cents: i64 }
/// # #[derive(StreamProcessor)]
/// # #[processor(name = "totals", input(topic = "payments", event = Paid), state = Total, dedup(ttl = "24h"))]
/// # struct Totals;
/// # impl Handle<Paid> for Totals {
/// #     type Error = std::convert::Infallible;
/// #     async fn handle(&mut self, paid: Event<Paid>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
/// #         ctx.state_mut().cents += paid.cents;
/// #         Ok(())
/// #     }
/// # }
/// simulate(|| Program::new().processor(|| Totals))
///     .feed(|rng| {
///         let mut paid = |account: &str| Input::new("payments", Paid { account: account.into(), cents: rng.between(1, 9) as i64 });
///         vec![paid("ada"), paid("bob"), paid("ada"), paid("ada")]
///     })
///     .invariant("nobody owes", |view| match view.state::<Totals>("ada").cents {
///         0.. => Ok(()),
///         cents => Err(format!("ada has {cents}")),
///     })
///     .seeds(0..20)
///     .check();
/// ```
#[must_use]
pub fn simulate(program: impl Fn() -> Program + Send + Sync + 'static) -> Simulation {
    Simulation {
        program: Box::new(program),
        inputs: Vec::new(),
        feeds: Vec::new(),
        invariants: Vec::new(),
        seeds: 0..100,
        steps: 60,
        faults: Faults::default(),
    }
}

/// A simulation, before it runs.
pub struct Simulation {
    program: Box<dyn Fn() -> Program + Send + Sync>,
    inputs: Vec<Input>,
    feeds: Vec<Box<Feed>>,
    invariants: Vec<(String, Box<Holds>)>,
    seeds: Range<u64>,
    steps: usize,
    faults: Faults,
}

/// What came out of a simulation in which everything held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many seeds were run.
    pub seeds: u64,
    /// Steps of all of them together.
    pub steps: u64,
    /// One number for all that happened: the same seeds give the same.
    pub trace: u64,
}

impl Simulation {
    /// Sends an event in every run.
    #[must_use]
    pub fn send<E: Payload + Serialize + Send + Sync + 'static>(mut self, topic: &str, event: E) -> Self {
        self.inputs.push(Input::new(topic, event));
        self
    }

    /// Sends what `feed` draws for a seed. 10 to 60 events over a handful of keys find most.
    #[must_use]
    pub fn feed(mut self, feed: impl Fn(&mut Rng) -> Vec<Input> + Send + Sync + 'static) -> Self {
        self.feeds.push(Box::new(feed));
        self
    }

    /// Checks `holds` after every step, beside the guarantees.
    #[must_use]
    pub fn invariant(
        mut self,
        name: &str,
        holds: impl Fn(&View<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.invariants.push((name.into(), Box::new(holds)));
        self
    }

    /// Which seeds are run; the first hundred by default.
    #[must_use]
    pub fn seeds(mut self, seeds: Range<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// How many steps a plan has; 60 by default. Events that are not sent by then are sent after them.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Which faults are drawn, and how often; all of them by default.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Runs all seeds.
    ///
    /// # Panics
    /// With the story of the lowest seed that fails.
    pub fn check(self) -> Report {
        self.run().unwrap_or_else(|failure| panic!("{failure}"))
    }

    /// Runs all seeds, on as many threads as there are cores, each run on one.
    ///
    /// # Errors
    /// The lowest seed that fails, cut down.
    ///
    /// # Panics
    /// If the program can't be started.
    pub fn run(self) -> Result<Report, Box<Failure>> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let next = AtomicU64::new(self.seeds.start);
        let failed = AtomicU64::new(u64::MAX);
        let report = Mutex::new(Report { seeds: 0, steps: 0, trace: 0 });
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        // Seeds below one that has failed are still run: the lowest is told.
                        if seed >= self.seeds.end || seed > failed.load(Ordering::Relaxed) {
                            return;
                        }
                        let (steps, ran) = self.run_seed(seed);
                        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                        report.seeds += 1;
                        report.steps += steps;
                        // In whatever order seeds end, the sum is the same.
                        report.trace = report.trace.wrapping_add(ran.trace.rotate_left((seed % 64) as u32));
                        if ran.end.is_err() {
                            failed.fetch_min(seed, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        match failed.into_inner() {
            u64::MAX => Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner)),
            // On a thread of its own: whoever calls may be on a runtime.
            seed => Err(Box::new(std::thread::scope(|scope| {
                let told = scope.spawn(|| self.tell(seed)).join();
                told.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }))),
        }
    }

    /// The input and the plan of a seed.
    fn draw(&self, seed: u64) -> (Vec<Input>, Plan) {
        let mut rng = Rng::of(seed);
        let mut inputs = self.inputs.clone();
        inputs.extend(self.feeds.iter().flat_map(|feed| feed(&mut rng)));
        let program = placed((self.program)());
        let layout = Layout::of(&program);
        let namespace = program.namespaces()[0].clone();
        let repeatable = inputs
            .iter()
            .map(|input| layout.is_repeatable(&program, &program.topic_name(&input.topic, &namespace)));
        let repeatable: Vec<bool> = repeatable.collect();
        let stage = Stage {
            inputs: &inputs,
            partitions: &layout.partitions,
            repeatable: &repeatable,
            faults: self.faults,
            steps: self.steps,
        };
        let plan = Plan::draw(&mut rng, &stage);
        (inputs, plan)
    }

    fn run_seed(&self, seed: u64) -> (u64, Ran) {
        let (inputs, plan) = self.draw(seed);
        (plan.actions.len() as u64, self.run_plan(&plan, &inputs, Trace::number()))
    }

    /// Runs a plan, and the same input without anything else.
    fn run_plan(&self, plan: &Plan, inputs: &[Input], trace: Trace) -> Ran {
        let calm = plan.actions.iter().filter(|action| matches!(action, Action::Send(_))).copied();
        let calm = Plan { limits: Limits::WIDE, actions: calm.collect() };
        let undisturbed = run(self, &calm, inputs, Trace::number());
        let mut ran = run(self, plan, inputs, trace);
        ran.end = match (ran.end, undisturbed.end) {
            (_, Err(violation)) => Err(violation),
            (Ok(end), Ok(undisturbed)) => end.is_that_of(&undisturbed).map(|()| end),
            (broken, Ok(_)) => broken,
        };
        ran
    }

    /// Cuts a seed that fails down and tells it.
    fn tell(&self, seed: u64) -> Failure {
        let (inputs, plan) = self.draw(seed);
        let drawn = plan.actions.len();
        let invariant = |ran: &Ran| ran.end.as_ref().err().map(|violation| violation.invariant.clone());
        let wanted = invariant(&self.run_plan(&plan, &inputs, Trace::number()));
        let least =
            shrink::shrink(plan, |plan| invariant(&self.run_plan(plan, &inputs, Trace::number())) == wanted);
        let ran = self.run_plan(&least, &inputs, Trace::told());
        let violation = ran.end.err().unwrap_or_else(|| {
            let what = "it failed, and the same plan did not: something in it is not drawn from the seed";
            Violation::new("the same again", what.into())
        });
        let lines = Line::all(&least.actions, &inputs, ran.steps);
        Failure { seed, violation, drawn, limits: least.limits.to_string(), actions: least.actions, lines }
    }
}
