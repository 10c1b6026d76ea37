//! What the tests share: a processor that does what its events tell it, and a journal of what it did.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pandaflow::{
    Classify, Context, Event, Handle, Namespace, StreamProcessor, TopicSpec,
    policy::restart_budget::RestartLimits,
};
use pandaflow_actors::{
    Program, RuntimeConfig, Services,
    health::{HealthReport, Phase, Status},
    testkit::TestKit,
};
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use serde::{Deserialize, Serialize};

/// What one attempt does, after it has staged an output and a change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Then {
    Succeed,
    Filter,
    Fail,
    Panic,
    Hang,
    Poison,
}

/// One attempt: waits, then does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub millis: u64,
    pub then: Then,
}

/// An event that says what each attempt at it does; those after the last step succeed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "job", version = 1, key = "{key}")]
pub struct Job {
    pub key: String,
    pub no: u64,
    pub steps: Vec<Step>,
}

impl Job {
    pub fn new(key: &str, no: u64, thens: &[Then]) -> Self {
        let steps = thens.iter().map(|then| Step { millis: 0, then: *then }).collect();
        Self { key: key.into(), no, steps }
    }

    /// The same, each attempt taking so long.
    pub fn taking(mut self, millis: u64) -> Self {
        if self.steps.is_empty() {
            self.steps.push(Step { millis, then: Then::Succeed });
        }
        self.steps.iter_mut().for_each(|step| step.millis = millis);
        self
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "done", version = 1, key = "{key}")]
pub struct Done {
    pub key: String,
    pub no: u64,
    /// How many jobs of the key were done before.
    pub before: usize,
}

/// The numbers of the key's jobs that were done, in the order in which they were.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    pub done: Vec<u64>,
}

#[derive(Debug, thiserror::Error, Classify)]
pub enum WorkError {
    #[error("not now")]
    #[class(transient)]
    NotNow,
    #[error("never")]
    #[class(poison)]
    Never,
}

/// What handlers did, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Started {
        key: String,
        no: u64,
        attempt: u32,
    },
    /// Returned, panicked, timed out or was dropped.
    Ended {
        key: String,
        no: u64,
    },
}

#[derive(Debug, Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<Line>>>);

impl Journal {
    fn note(&self, line: Line) {
        self.0.lock().unwrap().push(line);
    }

    pub fn note_start(&self, job: &Job, attempt: u32) {
        self.note(Line::Started { key: job.key.clone(), no: job.no, attempt });
    }

    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }

    /// The numbers and attempts that were started, in order.
    pub fn started(&self) -> Vec<(u64, u32)> {
        let started = |line: &Line| match line {
            Line::Started { no, attempt, .. } => Some((*no, *attempt)),
            Line::Ended { .. } => None,
        };
        self.0.lock().unwrap().iter().filter_map(started).collect()
    }

    /// Checks that no attempt at an event of a key began before the one before had ended, and that none was begun
    /// before its predecessor in `sent` was.
    pub fn assert_in_order(&self, sent: &[Job]) {
        let mut ranks: BTreeMap<(&str, u64), usize> = BTreeMap::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for job in sent {
            let count = counts.entry(&job.key).or_default();
            ranks.insert((&job.key, job.no), *count);
            *count += 1;
        }
        let mut running: BTreeMap<String, u64> = BTreeMap::new();
        let mut reached: BTreeMap<String, usize> = BTreeMap::new();
        for line in self.lines() {
            match line {
                Line::Started { key, no, .. } => {
                    let other = running.insert(key.clone(), no);
                    assert_eq!(other, None, "{no} of {key} began while another was being handled");
                    let rank = ranks[&(key.as_str(), no)];
                    let next = reached.entry(key.clone()).or_default();
                    assert!(rank <= *next, "{no} of {key} began before the one before it");
                    *next = rank + 1;
                }
                Line::Ended { key, .. } => drop(running.remove(&key)),
            }
        }
    }
}

/// Notes the end of a handler, however it ends.
struct Ends(Journal, String, u64);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.note(Line::Ended { key: std::mem::take(&mut self.1), no: self.2 });
    }
}

#[derive(StreamProcessor)]
#[processor(
    name = "worker",
    input(topic = "jobs", event = Job),
    output(topic = "done", event = Done),
    state = Work,
    timeout = "5s",
    concurrency = 100,
    retry(attempts = 5, backoff = "100ms..10s"),
    dedup(ttl = "24h"),
)]
pub struct Worker(pub Journal);

impl Handle<Job> for Worker {
    type Error = WorkError;

    async fn handle(&mut self, job: Event<Job>, ctx: &mut Context<Self>) -> Result<(), WorkError> {
        let Job { key, no, steps } = job.data;
        self.0.note(Line::Started { key: key.clone(), no, attempt: ctx.attempt() });
        let _ends = Ends(self.0.clone(), key.clone(), no);
        let before = ctx.state().done.len();
        ctx.state_mut().done.push(no);
        ctx.emit(Done { key, no, before });
        let step = steps.get(ctx.attempt() as usize - 1).copied();
        let step = step.unwrap_or(Step { millis: 0, then: Then::Succeed });
        if step.millis > 0 {
            tokio::time::sleep(Duration::from_millis(step.millis)).await;
        }
        match step.then {
            Then::Succeed => Ok(()),
            Then::Filter => {
                ctx.filter();
                Ok(())
            }
            Then::Fail => Err(WorkError::NotNow),
            Then::Panic => panic!("{SCRIPTED}"),
            Then::Hang => std::future::pending().await,
            Then::Poison => Err(WorkError::Never),
        }
    }
}

const SCRIPTED: &str = "a panic that the test asked for";

/// Keeps the panics that tests ask for out of the output.
pub fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<String>().map(String::as_str);
            if text.is_none_or(|text| text != SCRIPTED) {
                loud(info);
            }
        }));
    });
}

/// Restarts without an end, for tests of something else.
pub fn without_budget() -> RestartLimits {
    RestartLimits { restarts: usize::MAX, ..RestartLimits::default() }
}

/// A program of one worker, and its journal.
pub fn worker() -> (Program, Journal) {
    quiet();
    let journal = Journal::default();
    let noted = journal.clone();
    (Program::new().processor(move || Worker(noted.clone())), journal)
}

/// As [`worker`], all on one partition: keys share a task and nothing else.
pub fn worker_on_one_partition() -> (Program, Journal) {
    let (program, journal) = worker();
    let one = |topic: &str| TopicSpec::new(topic).partitions(1);
    (program.topic(one("jobs")).topic(one("done")), journal)
}

/// A worker under test.
pub async fn start() -> (TestKit, Journal) {
    start_with(RuntimeConfig::default(), |services| services).await
}

pub async fn start_with(
    config: RuntimeConfig,
    replace: impl FnOnce(Services) -> Services,
) -> (TestKit, Journal) {
    let (program, journal) = worker();
    (TestKit::start_with(program, config, replace).await, journal)
}

pub fn namespace(name: &str) -> Namespace {
    name.parse().unwrap()
}

/// Reads all events of "jobs", beside a worker.
#[derive(StreamProcessor)]
#[processor(name = "listener", input(topic = "jobs", event = Job))]
pub struct Listener(pub Arc<AtomicU64>);

impl Handle<Job> for Listener {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, _: Event<Job>, _: &mut Context<Self>) -> Result<(), Self::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// As the worker, without dedup and without failures.
#[derive(StreamProcessor)]
#[processor(name = "plain", input(topic = "jobs", event = Job), state = Work)]
pub struct Plain;

impl Handle<Job> for Plain {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, job: Event<Job>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        ctx.state_mut().done.push(job.no);
        Ok(())
    }
}

/// Says that the program has been started, as its main function does.
pub async fn say_started(kit: &TestKit) {
    kit.runtime().services().health.phase(Phase::Started);
    // The supervisor's first beat.
    kit.advance(Duration::from_secs(2)).await;
}

/// What health says of a component; empty if nothing.
pub async fn health_of(kit: &TestKit, component: &str) -> Vec<(Status, String)> {
    let checks = health(kit).await.checks.into_iter();
    checks.filter(|check| check.component == component).map(|check| (check.status, check.message)).collect()
}

/// What health says, as of all that was told so far.
pub async fn health(kit: &TestKit) -> HealthReport {
    kit.advance(Duration::from_millis(1)).await;
    kit.runtime().services().health.read(kit.now()).await.unwrap()
}

/// The numbers of the jobs on the output of a key, in order.
pub fn done(kit: &TestKit, key: &str) -> Vec<u64> {
    let done = kit.events::<Done>("done").into_iter().map(|event| event.data);
    done.filter(|done| done.key == key).map(|done| done.no).collect()
}

/// Runs a test on an actix system, and so on a clock, of its own.
pub fn on_its_own_clock<T>(test: impl Future<Output = T>) -> T {
    actix::System::new().block_on(test)
}

/// Runs a property on an actix system of its own per case. `PANDAFLOW_SEED` tries another sequence of cases.
pub fn property<S: proptest::strategy::Strategy>(cases: u32, strategy: &S, test: impl AsyncFn(S::Value)) {
    let seed = std::env::var("PANDAFLOW_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4);
    println!("seed {seed}");
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    };
    let ran = TestRunner::new(config).run(strategy, |value| {
        let run = std::panic::AssertUnwindSafe(|| actix::System::new().block_on(test(value)));
        std::panic::catch_unwind(run).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map_or("it panicked", String::as_str);
            proptest::test_runner::TestCaseError::fail(text.to_owned())
        })
    });
    match ran {
        Ok(()) => {}
        Err(TestError::Fail(reason, value)) => panic!("seed {seed}: {reason}\nwith {value:?}"),
        Err(TestError::Abort(reason)) => panic!("seed {seed}: {reason}"),
    }
}

/// Keeps log lines as text: the level, the message, then all fields.
#[derive(Clone)]
pub struct Lines(Arc<std::panic::AssertUnwindSafe<tokio::sync::watch::Sender<Vec<String>>>>);

impl Default for Lines {
    fn default() -> Self {
        Self(Arc::new(std::panic::AssertUnwindSafe(tokio::sync::watch::Sender::new(Vec::new()))))
    }
}

impl Lines {
    /// A log that is kept here.
    pub fn logger(&self) -> slog::Logger {
        slog::Logger::root(slog::Fuse(self.clone()), slog::o!())
    }

    /// Waits until there is a line that begins so.
    pub async fn said(&self, beginning: &str) {
        let mut lines = self.follow();
        let is_there = |lines: &Vec<String>| lines.iter().any(|line| line.starts_with(beginning));
        drop(lines.wait_for(is_there).await.unwrap());
    }

    /// Tells of each line that comes.
    pub fn follow(&self) -> tokio::sync::watch::Receiver<Vec<String>> {
        self.0.subscribe()
    }

    /// All of them so far.
    pub fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

impl slog::Drain for Lines {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &slog::Record<'_>, values: &slog::OwnedKVList) -> Result<(), slog::Never> {
        struct Fields(String);
        impl slog::Serializer for Fields {
            fn emit_arguments(&mut self, key: slog::Key, value: &std::fmt::Arguments<'_>) -> slog::Result {
                self.0 += &format!(" {key}={value}");
                Ok(())
            }
        }
        let mut fields = Fields(format!("{} {}", record.level(), record.msg()));
        slog::KV::serialize(&record.kv(), record, &mut fields).unwrap();
        slog::KV::serialize(values, record, &mut fields).unwrap();
        self.0.send_modify(|lines| lines.push(fields.0));
        Ok(())
    }
}
