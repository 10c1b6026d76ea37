//! What follows for status, readiness and liveness from what was reported.

use pandaflow::Partition;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn task(partition: u32) -> TaskKey {
    TaskKey { namespace: "paper".parse().unwrap(), processor: "risk".into(), partition: Partition(partition) }
}

fn progress(partition: u32, lag: u64, settled: u64) -> TaskProgress {
    TaskProgress { task: task(partition), lag, settled, in_flight: 0, parked: 0, waits_for: None }
}

fn processor(state: ProcessorState) -> ReportProcessor {
    ReportProcessor { namespace: "paper".parse().unwrap(), processor: "risk".into(), state }
}

fn blocked() -> ReportArbiter {
    let state = ArbiterState::Blocked { processor: "paper.risk".into(), since: SECOND * 3 };
    ReportArbiter { arbiter: "1".into(), state }
}

/// A started process that has just beaten, at 100 s.
fn healthy() -> HealthBook {
    let mut book = HealthBook::new(HealthLimits::default());
    book.phase(Phase::Started);
    book.supervisor_beat(SECOND * 100);
    book.source_beat("p.paper.risk".into(), SECOND * 100);
    book.processor(processor(ProcessorState::Assigned { partitions: 6 }));
    book.component(ReportComponent::new("database", Status::Healthy, "reachable".into()));
    book
}

fn read(book: &HealthBook, seconds: u32) -> HealthReport {
    book.report(SECOND * seconds, Timestamp(0))
}

/// Status, readiness and liveness at 101 s, after `enter`.
fn judged(enter: impl FnOnce(&mut HealthBook)) -> (Status, bool, bool) {
    let mut book = healthy();
    enter(&mut book);
    let report = read(&book, 101);
    (report.status, report.ready, report.alive)
}

#[test]
fn each_state_of_a_processor_has_its_say() {
    use ProcessorState as State;
    let reason = || "x".to_owned();
    let table = [
        (State::Starting, Status::Degraded, false),
        (State::Assigned { partitions: 6 }, Status::Healthy, true),
        (State::Assigned { partitions: 0 }, Status::Healthy, true),
        (State::Restarting { reason: reason() }, Status::Degraded, true),
        (State::Paused { reason: reason() }, Status::Degraded, true),
        (State::Failed { reason: reason() }, Status::Failing, false),
        (State::Stopped, Status::Healthy, true),
    ];
    for (state, status, ready) in table {
        let judged = judged(|book| book.processor(processor(state.clone())));
        assert_eq!(judged, (status, ready, true), "{state:?}");
    }
}

#[test]
fn each_other_entry_has_its_say() {
    type Enter = fn(&mut HealthBook);
    let component = |name, status| ReportComponent::new(name, status, "x".into());
    let table: [(&str, Enter, Status, bool, bool); 7] = [
        ("nothing more", |_| (), Status::Healthy, true, true),
        ("starting", |book| book.phase(Phase::Starting), Status::Degraded, false, true),
        ("draining", |book| book.phase(Phase::Draining), Status::Degraded, false, true),
        ("blocked arbiter", |book| book.arbiter(blocked()), Status::Failing, false, false),
        ("quiet source", |book| book.source_beat("old".into(), SECOND * 70), Status::Failing, false, false),
        ("quiet supervisor", |book| book.supervisor_beat(SECOND * 90), Status::Failing, false, false),
        ("beats", |book| book.source_beat("new".into(), SECOND * 71), Status::Healthy, true, true),
    ];
    for (name, enter, status, ready, alive) in table {
        assert_eq!(judged(enter), (status, ready, alive), "{name}");
    }
    let down = judged(|book| book.component(component("database", Status::Failing)));
    assert_eq!(down, (Status::Failing, false, true));
    let bypassed = judged(|book| book.component(component("dedup", Status::Degraded)));
    assert_eq!(bypassed, (Status::Degraded, true, true));
}

/// Fault 5 of the system before: states were compared as text, in different cases, and all was always green.
#[test]
fn whatever_text_a_report_brings_its_status_decides() {
    for (status, ready) in [(Status::Healthy, true), (Status::Degraded, true), (Status::Failing, false)] {
        for words in ["healthy", "HEALTHY", "Failing", "failing", "", "ok"] {
            let mut book = healthy();
            book.component(ReportComponent::new("database", status, words.into()));
            let report = read(&book, 101);
            assert_eq!((report.status, report.ready), (status, ready), "{words:?}");
        }
    }
}

#[test]
fn the_last_report_of_a_component_holds() {
    let mut book = healthy();
    book.component(ReportComponent::new("database", Status::Failing, "down".into()));
    book.component(ReportComponent::new("database", Status::Healthy, "up".into()));
    let report = read(&book, 101);
    assert!(report.ready);
    assert_eq!(report.checks.iter().filter(|check| check.component == "database").count(), 1);
}

#[test]
fn a_partition_with_lag_that_settles_nothing_stalls_and_one_that_moves_does_not() {
    let alive_at = |reports: &[(u32, u64, u64)], now: u32| {
        let mut book = healthy();
        for (at, lag, settled) in reports {
            book.progress(progress(3, *lag, *settled), SECOND * *at);
        }
        book.supervisor_beat(SECOND * now);
        book.source_beat("p.paper.risk".into(), SECOND * now);
        read(&book, now).alive
    };
    assert!(!alive_at(&[(100, 5, 7), (130, 5, 7), (161, 5, 7)], 161), "lag, nothing settled");
    assert!(!alive_at(&[(100, 5, 7)], 161), "lag, and the task is silent");
    assert!(alive_at(&[(100, 5, 7), (160, 5, 7)], 160), "at the limit");
    assert!(alive_at(&[(100, 5, 7), (130, 5, 8), (161, 5, 8)], 161), "it settled one");
    assert!(alive_at(&[(100, 0, 7), (500, 0, 7)], 500), "no lag");
    assert!(alive_at(&[(100, 0, 7), (500, 9, 7), (540, 9, 7)], 540), "lag since 500");
}

#[test]
fn a_stalled_partition_is_named_until_it_is_forgotten() {
    let mut book = healthy();
    book.progress(progress(3, 12, 7), SECOND * 25);
    let report = read(&book, 100);
    let check = report.checks.iter().find(|check| check.component == "progress:paper.risk").unwrap();
    assert_eq!(check.message, "partition 3 has settled nothing for 75 s at a lag of 12; 0 others stand too");
    assert_eq!(check.details["lag"], 12);
    book.forget_task(&task(3));
    assert!(read(&book, 100).alive);
}

#[test]
fn a_task_that_waits_on_purpose_is_not_ready_but_alive() {
    let mut book = healthy();
    let waits_for = Some("the dedup store".into());
    book.progress(TaskProgress { waits_for, ..progress(3, 12, 7) }, SECOND);
    let report = read(&book, 101);
    assert_eq!((report.ready, report.alive), (false, true));
    book.progress(progress(3, 12, 7), SECOND * 101);
    assert!(read(&book, 101).ready, "the wait is over, and its time doesn't count as a stall");
}

#[test]
fn a_supervisor_has_the_grace_period_for_its_first_beat() {
    let mut book = HealthBook::new(HealthLimits::default());
    assert!(read(&book, 30).alive);
    assert!(!read(&book, 31).alive);
    book.supervisor_beat(SECOND * 31);
    assert!(read(&book, 41).alive);
    assert!(!read(&book, 42).alive);
}

#[test]
fn the_json_has_exactly_the_names_that_others_read() {
    let mut book = HealthBook::new(HealthLimits::default());
    book.supervisor_beat(Duration::ZERO);
    book.phase(Phase::Started);
    let took = Duration::from_millis(12);
    let details = [("url".to_owned(), "sqlite".into())].into();
    book.component(ReportComponent {
        took,
        details,
        ..ReportComponent::new("database", Status::Failing, "down".into())
    });
    let json = serde_json::to_string(&book.report(Duration::ZERO, Timestamp(1_381_152_600_123))).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"status":"failing","timestamp":"2013-10-07T13:30:00.123Z","ready":false,"alive":true,"checks":["#,
            r#"{"component":"process","status":"healthy","message":"started","duration_ms":0,"details":{}},"#,
            r#"{"component":"supervisor","status":"healthy","message":"beats","duration_ms":0,"details":{}},"#,
            r#"{"component":"database","status":"failing","message":"down","duration_ms":12,"details":{"url":"sqlite"}}]}"#
        )
    );
}
