//! Handlers that panic: the event is tried again, its lane rebuilt, and the failure escalates within its budget.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use pandaflow::{TopicSpec, policy::restart_budget::RestartLimits};
use pandaflow_actors::{
    LifecycleState, OnProcessorFailure, Program, RuntimeConfig, health::Status, testkit::TestKit,
};

use crate::support::*;

/// Budgets that are soon used up.
fn few(restarts: usize) -> RuntimeConfig {
    RuntimeConfig {
        restarts: RestartLimits { restarts, ..RestartLimits::default() },
        ..RuntimeConfig::default()
    }
}

async fn one_partition(config: RuntimeConfig) -> (TestKit, Journal) {
    let (program, journal) = worker_on_one_partition();
    (TestKit::start_with(program, config, |services| services).await, journal)
}

#[actix::test]
async fn an_event_whose_handler_panics_is_tried_again_by_a_new_instance() {
    quiet();
    let made = Arc::new(AtomicU32::new(0));
    let (counted, journal) = (made.clone(), Journal::default());
    let noted = journal.clone();
    let program = Program::new().processor(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Worker(noted.clone())
    });
    let mut kit = TestKit::start(program).await;
    for no in 0..10 {
        let thens: &[Then] = if no == 6 { &[Then::Panic, Then::Panic] } else { &[] };
        kit.send("jobs", Job::new("ada", no, thens));
    }
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Worker>("ada").done, (0..10).collect::<Vec<_>>());
    let attempts: Vec<_> = journal.started().into_iter().filter(|(no, _)| *no == 6).collect();
    assert_eq!(attempts, [(6, 1), (6, 2), (6, 3)]);
    assert_eq!(made.load(Ordering::Relaxed), 1 + 2);
}

#[actix::test]
async fn no_other_key_waits_for_a_lane_that_is_rebuilt() {
    let (mut kit, _) = one_partition(RuntimeConfig::default()).await;
    kit.send("jobs", Job::new("ada", 0, &[Then::Panic; 4]));
    for no in 1..50 {
        kit.send("jobs", Job::new(&format!("k{no}"), no, &[]));
    }
    kit.advance(Duration::from_millis(5)).await;
    assert_eq!(kit.ledger::<Worker>().succeeded, 49);
    assert!(done(&kit, "ada").is_empty());
    kit.run_until_idle().await;
    assert_eq!(done(&kit, "ada"), [0]);
}

#[actix::test]
async fn a_lane_over_its_budget_makes_its_task_start_over_with_the_attempts_counted() {
    let (mut kit, journal) = one_partition(few(2)).await;
    kit.send("jobs", Job::new("ada", 0, &[Then::Panic; 4]));
    kit.send("jobs", Job::new("ada", 1, &[]));
    while journal.started().len() < 3 {
        kit.advance(Duration::from_millis(1)).await;
    }
    let of_worker = health_of(&kit, "processor:test.worker").await;
    assert!(
        matches!(&of_worker[..], [(Status::Degraded, why)] if why.contains("more often than allowed")),
        "{of_worker:?}"
    );
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Worker>("ada").done, [0, 1]);
    assert_eq!(journal.started(), [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 1)]);
    assert_eq!(health_of(&kit, "processor:test.worker").await[0].0, Status::Healthy);
}

#[actix::test]
async fn an_event_out_of_attempts_is_a_dead_letter_also_when_its_lane_is_over_its_budget() {
    let (mut kit, journal) = one_partition(few(4)).await;
    kit.send("jobs", Job::new("ada", 0, &[Then::Panic; 9]));
    kit.send("jobs", Job::new("ada", 1, &[]));
    kit.run_until_idle().await;
    let attempts: Vec<u32> = kit.dead_letters().iter().map(|letter| letter.attempts).collect();
    assert_eq!((attempts, kit.state::<Worker>("ada").done), (vec![5], vec![1]));
    assert_eq!(journal.started().len(), 6);
}

#[actix::test]
async fn a_processor_over_its_budget_is_the_processs_failure() {
    let (mut kit, _) = one_partition(few(2)).await;
    for no in 0..4 {
        kit.send("jobs", Job::new(&format!("k{no}"), no, &[Then::Panic; 9]));
    }
    let reason = kit.runtime().failed().await;
    assert!(reason.contains("processor worker in test") && reason.contains("partition 0"), "{reason}");
    let states = kit.runtime().states().await;
    assert!(
        matches!(&states[0].state, LifecycleState::Failed(why) if why.contains("partition 0")),
        "{states:?}"
    );
    say_started(&kit).await;
    assert!(!health(&kit).await.ready);
    // Nothing was lost on the way: what panicked is counted, and not settled.
    assert!(kit.ledger::<Worker>().is_settled());
}

#[actix::test]
async fn the_other_processors_go_on_if_the_program_says_so_and_readiness_names_the_one_that_is_missing() {
    let (program, _) = worker_on_one_partition();
    let heard = Arc::new(AtomicU64::new(0));
    let counted = heard.clone();
    let program = program.processor(move || Listener(counted.clone()));
    let config = RuntimeConfig { on_processor_failure: OnProcessorFailure::KeepOthers, ..few(2) };
    let mut kit = TestKit::start_with(program, config, |services| services).await;
    say_started(&kit).await;
    assert!(health(&kit).await.ready);
    for no in 0..4 {
        kit.send("jobs", Job::new(&format!("k{no}"), no, &[Then::Panic; 9]));
    }
    kit.advance(Duration::from_secs(60)).await;
    kit.send("jobs", Job::new("late", 4, &[]));
    kit.advance(Duration::from_secs(1)).await;
    assert_eq!(heard.load(Ordering::Relaxed), 5);
    let report = health(&kit).await;
    assert!(!report.ready && report.alive, "{report:?}");
    let worker = health_of(&kit, "processor:test.worker").await;
    assert!(matches!(&worker[..], [(Status::Failing, why)] if why.contains("budget")), "{worker:?}");
}

#[actix::test]
async fn a_factory_that_panics_is_a_failed_attempt() {
    quiet();
    let made = Arc::new(AtomicU32::new(0));
    let program = Program::new()
        .processor(move || {
            assert!(made.fetch_add(1, Ordering::Relaxed) > 0, "a panic that the test asked for");
            Worker(Journal::default())
        })
        .topic(TopicSpec::new("jobs"));
    let mut kit = TestKit::start(program).await;
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Worker>("ada").done, [0]);
}
