//! The dead-letter budget: a processor that gives up on too much takes no more events, and loses none of those it leaves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use pandaflow::{
    Classify, Context, Event, Handle, StreamProcessor, TopicSpec,
    policy::{dead_letter_budget::DeadLetterLimits, ledger::Ledger},
};
use pandaflow_actors::{Program, RuntimeConfig, health::Status, testkit::TestKit};
use proptest::{collection::vec, prelude::*};

use crate::support::*;

#[derive(Debug, thiserror::Error, Classify)]
enum Trouble {
    #[error("the release is bad")]
    #[class(poison)]
    Bad,
    #[error("come back later")]
    #[class(rate_limit, retry_after = after)]
    Later { after: Duration },
}

/// Handles nothing while its release is bad. Jobs that take a while are to come back once.
#[derive(StreamProcessor)]
#[processor(
    name = "released",
    input(topic = "jobs", event = Job),
    output(topic = "done", event = Done),
    state = Work,
    dedup(ttl = "24h")
)]
struct Released(Arc<AtomicBool>);

impl Handle<Job> for Released {
    type Error = Trouble;

    async fn handle(&mut self, job: Event<Job>, ctx: &mut Context<Self>) -> Result<(), Trouble> {
        let Job { key, no, steps } = job.data;
        if !steps.is_empty() && ctx.attempt() == 1 {
            return Err(Trouble::Later { after: Duration::from_secs(60) });
        }
        if self.0.load(Ordering::Relaxed) {
            return Err(Trouble::Bad);
        }
        let before = ctx.state().done.len();
        ctx.state_mut().done.push(no);
        ctx.emit(Done { key, no, before });
        Ok(())
    }
}

fn limits(in_a_row: u64, percent: u64) -> RuntimeConfig {
    RuntimeConfig { dead_letters: DeadLetterLimits { in_a_row, percent }, ..RuntimeConfig::default() }
}

/// The processor, whether its release is bad, and how much a neighbour has read of the same topic.
async fn start_released(
    config: RuntimeConfig,
    partitions: u32,
) -> (TestKit, Arc<AtomicBool>, Arc<AtomicU64>) {
    let (bad, read) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (of, count) = (bad.clone(), read.clone());
    let program = Program::new()
        .processor(move || Released(of.clone()))
        .processor(move || Listener(count.clone()))
        .topic(TopicSpec::new("jobs").partitions(partitions))
        .topic(TopicSpec::new("done").partitions(1));
    (TestKit::start_with(program, config, |services| services).await, bad, read)
}

const COMPONENT: &str = "dead-letter budget of test.released";

#[actix::test]
async fn a_bad_release_stops_after_a_few_dead_letters_and_a_good_one_handles_all_the_rest() {
    let (mut kit, bad, read) = start_released(limits(5, 100), 1).await;
    say_started(&kit).await;
    for no in 0..60 {
        kit.send("jobs", Job::new(&format!("k{}", no % 7), no, &[]));
    }
    // Longer than a partition with lag may stand still: that it does so on purpose is known.
    kit.advance(Duration::from_secs(600)).await;
    assert_eq!(kit.dead_letters().len(), 5);
    assert_eq!(kit.ledger::<Released>().dead_lettered, 5);
    assert_eq!(read.load(Ordering::Relaxed), 60, "its neighbour goes on");
    let reason = kit.runtime().halted().now_or_never().expect("it is told");
    assert!(reason.contains("test.released on partition 0: 5 events in a row were given up on"), "{reason}");
    assert_eq!(health_of(&kit, COMPONENT).await, [(Status::Failing, reason)]);
    let report = health(&kit).await;
    assert_eq!((report.alive, report.ready), (true, false));
    let text = kit.runtime().services().metrics.render().await.unwrap();
    let halted = |processor: &str| {
        let of_it = |line: &&str| line.starts_with("pandaflow_halted{") && line.contains(processor);
        text.lines().find(of_it).and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    assert_eq!((halted("released").as_deref(), halted("listener").as_deref()), (Some("1"), Some("0")));

    bad.store(false, Ordering::Relaxed);
    assert!(kit.stop().await, "it ends in time");
    kit.restart().await;
    kit.run_until_idle().await;
    let expected = Ledger { consumed: 60, succeeded: 55, dead_lettered: 5, ..Ledger::default() };
    assert_eq!(kit.ledger::<Released>(), expected);
    assert_eq!(kit.dead_letters().len(), 5);
    for key in 0..7 {
        let all: Vec<_> = (5..60).filter(|no| no % 7 == key).collect();
        assert_eq!(done(&kit, &format!("k{key}")), all);
    }
}

#[actix::test]
async fn a_share_of_dead_letters_is_enough() {
    let (program, _) = worker_on_one_partition();
    let mut kit = TestKit::start_with(program, limits(1_000, 10), |services| services).await;
    for no in 0..1_000 {
        let thens: &[Then] = if no % 5 == 0 { &[Then::Poison] } else { &[] };
        kit.send("jobs", Job::new("k", no, thens));
    }
    kit.advance(Duration::from_secs(60)).await;
    // A fifth fails: once 200 have ended, a tenth of them are far too many.
    let letters = kit.dead_letters().len();
    assert_eq!(letters, 40, "those of the first 200");
    let reason = kit.runtime().halted().now_or_never().expect("it is told");
    assert!(reason.contains("39 of the last 199 events"), "{reason}");
}

#[actix::test]
async fn all_partitions_of_a_processor_halt_together() {
    let (mut kit, bad, read) = start_released(limits(5, 100), 4).await;
    for no in 0..10 {
        kit.send("jobs", Job::new("one key", no, &[]));
    }
    kit.advance(Duration::from_secs(5)).await;
    assert_eq!(kit.dead_letters().len(), 5);
    bad.store(false, Ordering::Relaxed);
    for no in 0..100 {
        kit.send("jobs", Job::new(&format!("k{no}"), no, &[]));
    }
    kit.advance(Duration::from_secs(600)).await;
    assert!(kit.events::<Done>("done").is_empty());
    assert_eq!(read.load(Ordering::Relaxed), 110);
    let report = health(&kit).await;
    assert_eq!((report.alive, report.ready), (true, false));
    kit.restart().await;
    kit.run_until_idle().await;
    assert_eq!(kit.events::<Done>("done").len(), 105);
}

#[actix::test]
async fn a_run_that_waits_for_its_end_is_told() {
    let (mut kit, ..) = start_released(limits(1, 100), 1).await;
    let halted = kit.runtime().halted();
    assert!(halted.now_or_never().is_none(), "nothing has failed yet");
    (0..3).for_each(|no| _ = kit.send("jobs", Job::new("k", no, &[])));
    let waited = std::panic::AssertUnwindSafe(kit.run_until_idle()).catch_unwind().await;
    let panic = waited.expect_err("there is no end to wait for");
    let text = panic.downcast_ref::<String>().expect("it says why");
    assert!(text.contains("takes no more events until it is started anew"), "{text}");
}

#[actix::test]
async fn a_halted_processor_leaves_what_is_parked_where_it_is() {
    let (mut kit, bad, _) = start_released(limits(1, 100), 1).await;
    kit.send("jobs", Job::new("later", 0, &[]).taking(1));
    kit.send("jobs", Job::new("later", 1, &[]));
    kit.advance(Duration::from_secs(5)).await;
    assert_eq!(kit.ledger::<Released>().parked, 2);
    (0..2).for_each(|no| _ = kit.send("jobs", Job::new("bad", no, &[])));
    kit.advance(Duration::from_secs(5)).await;
    assert!(kit.runtime().halted().now_or_never().is_some());
    // What is handed out now would be handled.
    bad.store(false, Ordering::Relaxed);
    kit.advance(Duration::from_secs(3_600)).await;
    assert_eq!((kit.ledger::<Released>().parked, kit.dead_letters().len()), (2, 1));
    assert!(kit.events::<Done>("done").is_empty());
    kit.restart().await;
    kit.run_until_idle().await;
    assert_eq!(done(&kit, "later"), [0, 1]);
    assert_eq!(done(&kit, "bad"), [1]);
    assert_eq!(kit.dead_letters().len(), 1);
}

/// Halts and new starts, with drains in between: no event is lost, doubled or out of order, and no life makes more dead letters than
/// its successes and its budget allow.
#[test]
fn nothing_is_lost_or_doubled_however_often_it_halts() {
    let jobs = vec((0..4_u8, prop::bool::weighted(0.4)), 1..80);
    property(60, &(jobs, 1..6_u64), async |(jobs, in_a_row)| {
        let (program, journal) = worker_on_one_partition();
        let mut kit = TestKit::start_with(program, limits(in_a_row, 100), |services| services).await;
        let jobs: Vec<Job> = (0..)
            .zip(jobs)
            .map(|(no, (key, bad))| Job::new(&format!("k{key}"), no, if bad { &[Then::Poison] } else { &[] }))
            .collect();
        jobs.iter().for_each(|job| _ = kit.send("jobs", job.clone()));
        let bad: Vec<u64> = jobs.iter().filter(|job| !job.steps.is_empty()).map(|job| job.no).collect();
        let mut before = Ledger::default();
        for life in 0.. {
            kit.advance(Duration::from_secs(10)).await;
            let now = kit.ledger::<Worker>();
            let rows = now.succeeded - before.succeeded + 1;
            assert!(now.dead_lettered - before.dead_lettered <= rows * in_a_row, "life {life}: {now:?}");
            before = now;
            if kit.runtime().is_idle().await.unwrap() {
                break;
            }
            assert!(kit.runtime().halted().now_or_never().is_some(), "life {life} stands still");
            kit.restart().await;
            assert!(life <= bad.len(), "each life makes a dead letter at least");
        }
        let good: Vec<&Job> = jobs.iter().filter(|job| job.steps.is_empty()).collect();
        let expected = Ledger {
            consumed: jobs.len() as u64,
            succeeded: good.len() as u64,
            dead_lettered: bad.len() as u64,
            ..Ledger::default()
        };
        assert_eq!(kit.ledger::<Worker>(), expected);
        for key in ["k0", "k1", "k2", "k3"] {
            let of_it: Vec<u64> = good.iter().filter(|job| job.key == key).map(|job| job.no).collect();
            assert_eq!(done(&kit, key), of_it);
        }
        let mut letters: Vec<u64> = kit.dead_letters().iter().map(|letter| letter.record.offset.0).collect();
        letters.sort_unstable();
        assert_eq!(letters, bad, "each once");
        drop(journal);
    });
}
