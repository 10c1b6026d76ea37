//! Stores and settlements that fail: nothing is lost or done twice, readiness says so, and it heals by itself.

use std::time::Duration;

use pandaflow::{TopicSpec, ports::SettleErrorKind};
use pandaflow_actors::{
    RuntimeConfig, Services, ServicesConfig,
    dedup::{DedupConfig, WhenDown},
    health::Status,
    testkit::TestKit,
};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);

async fn started() -> (TestKit, Journal) {
    let (kit, journal) = start().await;
    say_started(&kit).await;
    assert!(health(&kit).await.ready, "{:#?}", health(&kit).await);
    (kit, journal)
}

fn send(kit: &mut TestKit, numbers: std::ops::Range<u64>) {
    for no in numbers {
        kit.send("jobs", Job::new(&format!("k{}", no % 7), no, &[]));
    }
}

/// All of `count` jobs are done, each once, and nothing else was.
fn assert_all_done_once(kit: &TestKit, count: u64) {
    for key in 0..7.min(count) {
        let expected: Vec<u64> = (0..count).filter(|no| no % 7 == key).collect();
        assert_eq!(kit.state::<Worker>(&format!("k{key}")).done, expected);
        assert_eq!(done(kit, &format!("k{key}")), expected);
    }
    assert_eq!(kit.ledger::<Worker>().consumed, count);
    assert!(kit.dead_letters().is_empty());
}

#[actix::test]
async fn settlements_that_fail_are_tried_again_and_readiness_says_so_until_they_succeed() {
    let (mut kit, journal) = started().await;
    kit.transport().faults().fail_settlements(20, SettleErrorKind::Retry);
    send(&mut kit, 0..50);
    kit.advance(SECOND).await;
    let report = health(&kit).await;
    assert!(!report.ready && report.alive, "{report:#?}");
    kit.run_until_idle().await;
    assert_all_done_once(&kit, 50);
    assert_eq!(journal.started().len(), 50, "no handler ran twice");
    kit.advance(2 * SECOND).await;
    assert!(health(&kit).await.ready, "{:#?}", health(&kit).await);
}

#[actix::test]
async fn a_settlement_store_that_is_down_for_minutes_is_no_reason_to_kill_the_process() {
    let (mut kit, _) = started().await;
    kit.transport().faults().fail_settlements(1_000, SettleErrorKind::Retry);
    send(&mut kit, 0..1);
    kit.advance(300 * SECOND).await;
    let report = health(&kit).await;
    assert!(!report.ready && report.alive, "{report:#?}");
    kit.transport().faults().fail_settlements(0, SettleErrorKind::Retry);
    kit.run_until_idle().await;
    assert_all_done_once(&kit, 1);
}

#[actix::test]
async fn a_transport_that_does_not_answer_for_minutes_is_no_reason_to_kill_the_process() {
    let (mut kit, _) = started().await;
    kit.transport().faults().hold_settlements();
    send(&mut kit, 0..1);
    kit.advance(20 * SECOND).await;
    assert!(health(&kit).await.alive, "it has lag, and time");
    kit.transport().faults().lag().fail(usize::MAX);
    kit.advance(300 * SECOND).await;
    let report = health(&kit).await;
    assert!(!report.ready && report.alive, "{report:#?}");
    // Once it answers, a task that stands still is one again.
    kit.transport().faults().lag().fail(0);
    kit.advance(90 * SECOND).await;
    assert!(!health(&kit).await.alive);
    kit.transport().faults().release_settlements();
    kit.run_until_idle().await;
    kit.advance(20 * SECOND).await;
    assert!(health(&kit).await.alive);
    assert_all_done_once(&kit, 1);
}

#[actix::test]
async fn readiness_comes_back_also_when_the_settlement_that_succeeds_takes_its_time() {
    let (mut kit, _) = started().await;
    kit.transport().faults().fail_settlements(1, SettleErrorKind::Retry);
    send(&mut kit, 0..1);
    kit.advance(Duration::from_millis(50)).await;
    kit.transport().faults().hold_settlements();
    kit.advance(SECOND).await;
    assert!(!health(&kit).await.ready);
    kit.transport().faults().release_settlements();
    kit.run_until_idle().await;
    kit.advance(2 * SECOND).await;
    assert!(health(&kit).await.ready, "{:#?}", health(&kit).await);
    assert_all_done_once(&kit, 1);
}

#[actix::test]
async fn a_settlement_that_is_refused_makes_its_task_start_over_and_loses_nothing() {
    let (mut kit, _) = started().await;
    kit.transport().faults().fail_settlements(1, SettleErrorKind::Refused);
    send(&mut kit, 0..20);
    kit.run_until_idle().await;
    assert_all_done_once(&kit, 20);
}

#[actix::test]
async fn progress_never_passes_a_settlement_that_was_refused() {
    let (program, _) = worker_on_one_partition();
    let mut kit = TestKit::start(program.processor(|| Plain)).await;
    // Their state is in memory from now on: nothing has to be waited for.
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.send("jobs", Job::new("bob", 0, &[]));
    kit.run_until_idle().await;
    kit.transport().faults().hold_settlements();
    kit.send("jobs", Job::new("ada", 1, &[]));
    kit.advance(Duration::from_millis(5)).await;
    assert_eq!(kit.transport().faults().held_settlements(), 2, "the worker's and the plain one's");
    kit.transport().faults().fail_settlements(2, SettleErrorKind::Refused);
    kit.transport().faults().release_settlements();
    // Comes in before the refusals have been read, and is handled in the same turn.
    kit.send("jobs", Job::new("bob", 2, &[]));
    kit.run_until_idle().await;
    for states in [
        ["ada", "bob"].map(|key| kit.state::<Worker>(key)),
        ["ada", "bob"].map(|key| kit.state::<Plain>(key)),
    ] {
        assert_eq!(states.map(|work| work.done), [vec![0, 1], vec![0, 2]]);
    }
}

#[actix::test]
async fn nothing_is_handled_while_the_dedup_store_is_down_and_the_policy_is_to_pause() {
    let (mut kit, journal) = started().await;
    kit.transport().faults().dedup().fail(usize::MAX);
    send(&mut kit, 0..10);
    kit.advance(90 * SECOND).await;
    assert_eq!(journal.started(), []);
    let report = health(&kit).await;
    assert!(!report.ready && report.alive, "{report:#?}");
    kit.transport().faults().dedup().fail(0);
    kit.run_until_idle().await;
    assert_all_done_once(&kit, 10);
    kit.advance(2 * SECOND).await;
    assert!(health(&kit).await.ready, "{:#?}", health(&kit).await);
}

async fn when_down(policy: WhenDown) -> TestKit {
    let (program, _) = worker();
    let config = ServicesConfig {
        dedup: DedupConfig { when_down: policy, ..DedupConfig::default() },
        ..ServicesConfig::default()
    };
    let mut kit =
        TestKit::start_on(program, RuntimeConfig::default(), |transport| Services::start(transport, config))
            .await;
    say_started(&kit).await;
    kit.transport().faults().dedup().fail(usize::MAX);
    let now = kit.now();
    let id = kit.send("jobs", Job::new("k0", 0, &[]));
    kit.run_until_idle().await;
    kit.send_as("jobs", Job::new("k0", 0, &[]), id, now);
    kit.run_until_idle().await;
    let dedup = health_of(&kit, "dedup").await;
    assert!(matches!(dedup[..], [(Status::Degraded, _)]), "{dedup:?}");
    assert!(health(&kit).await.ready);
    kit
}

#[actix::test]
async fn duplicates_are_handled_again_while_the_dedup_store_is_down_and_the_policy_is_to_bypass_it() {
    let kit = when_down(WhenDown::Bypass).await;
    assert_eq!(kit.ledger::<Worker>().succeeded, 2);
}

#[actix::test]
async fn duplicates_are_known_while_the_dedup_store_is_down_and_the_policy_is_a_local_memory() {
    let kit = when_down(WhenDown::LOCAL).await;
    assert_eq!((kit.ledger::<Worker>().succeeded, kit.ledger::<Worker>().duplicate), (1, 1));
}

#[actix::test]
async fn a_state_store_that_is_down_delays_events_and_fails_none() {
    let (mut kit, journal) = started().await;
    kit.transport().faults().states().fail(usize::MAX);
    send(&mut kit, 0..10);
    kit.advance(90 * SECOND).await;
    assert_eq!(journal.started(), []);
    let report = health(&kit).await;
    assert!(!report.ready && report.alive, "{report:#?}");
    kit.transport().faults().states().fail(0);
    kit.run_until_idle().await;
    assert_all_done_once(&kit, 10);
    assert!(journal.started().iter().all(|(_, attempt)| *attempt == 1));
    kit.advance(2 * SECOND).await;
    assert!(health(&kit).await.ready, "{:#?}", health(&kit).await);
}

#[actix::test]
async fn the_trouble_of_a_task_that_has_gone_stands_in_nobodys_way() {
    let (mut kit, _) = started().await;
    kit.transport().faults().states().fail(usize::MAX);
    send(&mut kit, 0..10);
    kit.advance(10 * SECOND).await;
    for partition in 0..6 {
        kit.transport().lose(&kit.group::<Worker>(), pandaflow::Partition(partition));
    }
    kit.advance(SECOND).await;
    kit.transport().faults().states().fail(0);
    for partition in 0..6 {
        kit.transport().assign_again(&kit.group::<Worker>(), pandaflow::Partition(partition));
    }
    kit.run_until_idle().await;
    assert_all_done_once(&kit, 10);
    kit.advance(2 * SECOND).await;
    assert!(health(&kit).await.ready, "{:#?}", health(&kit).await);
}

#[actix::test]
async fn a_dead_letter_waits_for_its_store_and_holds_up_no_other_key() {
    let (program, journal) = worker();
    let program = program.topic(TopicSpec::new("jobs").partitions(1));
    let mut kit = TestKit::start(program).await;
    say_started(&kit).await;
    kit.transport().faults().dead_letters().fail(usize::MAX);
    kit.send("jobs", Job::new("ada", 0, &[Then::Poison]));
    kit.send("jobs", Job::new("ada", 1, &[]));
    kit.send("jobs", Job::new("bob", 2, &[]));
    kit.advance(90 * SECOND).await;
    assert_eq!((done(&kit, "ada"), done(&kit, "bob")), (vec![], vec![2]));
    assert!(kit.dead_letters().is_empty());
    let report = health(&kit).await;
    assert!(!report.ready && report.alive, "{report:#?}");
    kit.transport().faults().dead_letters().fail(0);
    kit.run_until_idle().await;
    assert_eq!(done(&kit, "ada"), [1]);
    assert_eq!(kit.dead_letters().len(), 1);
    assert_eq!(journal.started().len(), 3, "the handler was not asked again");
    kit.advance(2 * SECOND).await;
    assert!(health(&kit).await.ready, "{:#?}", health(&kit).await);
}
