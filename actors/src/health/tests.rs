//! The health actor by its messages.

use std::time::Duration;

use actix::Arbiter;
use pandaflow::{Partition, Timestamp};

use super::*;

fn start(mailbox: usize) -> HealthHandle {
    tokio::time::pause();
    let health = HealthActor::start(&Arbiter::current(), HealthConfig { mailbox, ..HealthConfig::default() });
    health.phase(Phase::Started);
    health.supervisor_beat();
    health
}

fn task() -> TaskKey {
    TaskKey { namespace: "paper".parse().unwrap(), processor: "risk".into(), partition: Partition(3) }
}

fn progress(settled: u64) -> TaskProgress {
    TaskProgress { task: task(), lag: 5, settled, in_flight: 1, parked: 0, waits_for: None }
}

async fn read(health: &HealthHandle) -> HealthReport {
    health.read(Timestamp(0)).await.unwrap()
}

#[actix::test]
async fn reports_are_entered_with_the_time_at_which_they_come() {
    let health = start(64);
    health.progress(progress(1));
    health.source_beat("p.paper.risk".into());
    assert!(read(&health).await.ready);
    tokio::time::advance(Duration::from_secs(61)).await;
    health.supervisor_beat();
    health.forget_source("p.paper.risk".into());
    let stalled = read(&health).await;
    assert!(!stalled.alive && !stalled.ready, "{stalled:?}");
    health.progress(progress(2));
    assert!(read(&health).await.alive);
    tokio::time::advance(Duration::from_secs(61)).await;
    health.supervisor_beat();
    health.forget_task(task());
    assert!(read(&health).await.ready);
}

#[actix::test]
async fn each_kind_of_report_reaches_the_book() {
    let health = start(64);
    let state = ProcessorState::Failed { reason: "panics".into() };
    health.processor(ReportProcessor { namespace: task().namespace, processor: task().processor, state });
    let state = ArbiterState::Blocked { processor: "paper.risk".into(), since: Duration::from_secs(3) };
    health.arbiter(ReportArbiter { arbiter: "1".into(), state });
    health.failing("database", "down");
    let report = read(&health).await;
    let failing: Vec<_> = report.checks.iter().filter(|check| check.status == Status::Failing).collect();
    let components: Vec<_> = failing.iter().map(|check| check.component.as_str()).collect();
    assert_eq!(components, ["arbiter:1", "processor:paper.risk", "database"]);
    assert!(failing[0].message.contains("a handler of paper.risk that does not yield"));
    health.healthy("database");
    assert!(
        read(&health).await.checks.iter().any(|c| c.component == "database" && c.status == Status::Healthy)
    );
}

#[actix::test]
async fn a_full_mailbox_drops_what_comes_again_and_takes_changes_of_state() {
    let health = start(4);
    read(&health).await;
    // The actor doesn't run until this test waits.
    for settled in 0..100 {
        health.progress(progress(settled));
    }
    health.failing("database", "down");
    health.forget_task(task());
    let report = read(&health).await;
    assert!(!report.ready);
    assert!(!report.checks.iter().any(|check| check.component.starts_with("progress:")));
}
