//! A rolling restart: three processes are ended by SIGTERM and started again under load, one after the other. No event is
//! handled twice, and none waits for long.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    collections::BTreeMap,
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use pandaflow_tests::{AlphaPanda, BrokerLog, Processes, shipped_feed};
use serde_json::Value;

const PROCESSES: usize = 3;
/// Restarts of each process.
const ROUNDS: usize = 2;
/// Ticks a second: enough for work in every moment, and few enough to be done at once on a busy machine.
const RATE: u64 = 600;
/// How long a tick may wait from the log to its commit, a restart of its partition's owner included. A partition's pause
/// is the drain of the one that leaves and the group's next round, of which the others hear at their next heartbeat (10 s). Well below
/// the session time-out (30 s), for which a member that is gone without having left would hold its partitions.
const PAUSE: Duration = Duration::from_secs(15);
const STRATEGIES: &str = "pandaflow.paper.strategies";
const TICKS: &str = "market.ticks";

fn feeds() -> Vec<PathBuf> {
    ["us-ibm-20131007-trades.zip", "us-aig-20131007-trades.zip"].map(shipped_feed).to_vec()
}

/// How long the ticks waited that have been settled: the longest, and the one at the place of 99 of 100.
fn waits(log: &BrokerLog, prefix: &str) -> (Duration, Duration) {
    let mut commits: BTreeMap<i32, Vec<(i64, i64)>> = BTreeMap::new();
    for commit in log.commits(&format!("{prefix}{STRATEGIES}")) {
        if commit.topic == format!("{prefix}{TICKS}") {
            commits.entry(commit.partition).or_default().push((commit.next, commit.at));
        }
    }
    let mut waited = Vec::new();
    log.each(&format!("{prefix}{TICKS}"), |tick| {
        let commits = &commits[&tick.partition];
        let first = commits.partition_point(|(next, _)| *next <= tick.offset);
        // Clocks of one machine: a commit comes after its event.
        waited.push(u64::try_from(commits[first].1 - tick.timestamp).unwrap_or(0));
    });
    waited.sort_unstable();
    let at = |place: usize| Duration::from_millis(waited[place]);
    (at(waited.len() - 1), at(waited.len() * 99 / 100))
}

#[test]
fn a_rolling_restart_under_load_handles_nothing_twice_and_nothing_waits_for_long() {
    let Some(broker) = env::var("PANDAFLOW_TEST_KAFKA").ok().filter(|broker| !broker.is_empty()) else {
        eprintln!("skipped: PANDAFLOW_TEST_KAFKA names no broker");
        return;
    };
    let redis = env::var("PANDAFLOW_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379/0".into());
    let (home, feeds) = (tempfile::tempdir().unwrap(), feeds());
    let prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
    let plain = AlphaPanda::on(&home.path().join("calm"), &feeds).variable("API__BIND", "127.0.0.1:0");
    let plain = plain.run().success();
    let program = AlphaPanda::on_kafka(home.path(), &feeds)
        .variable("KAFKA__BOOTSTRAP_SERVERS", &broker)
        .variable("REDIS__URL", &redis)
        .variable("KAFKA__PREFIX", &prefix)
        .variable("API__BIND", "127.0.0.1:0");

    let mut processes = Processes::start(&program, PROCESSES);
    let mut feed = program.command("feed").option(&format!("--rate={RATE}")).start();
    let log = BrokerLog::at(&broker);
    let progress = |processes: &mut Processes, above: u64| {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            processes.tend();
            let told = program.command("report").start().end().success();
            let consumed = told["ledger"][0]["consumed"].as_u64().unwrap();
            if consumed > above {
                return consumed;
            }
            assert!(Instant::now() < until, "no progress beyond {above} for a minute\n{}", processes.said());
        }
    };
    let mut consumed = progress(&mut processes, 0);
    for number in (0..PROCESSES).cycle().take(PROCESSES * ROUNDS) {
        let began = Instant::now();
        let report = processes.end(number, Duration::from_secs(60));
        assert_eq!(report.status.code(), Some(0), "{}", report.stderr);
        let drained = began.elapsed();
        processes.restart(number);
        processes.await_serving(Duration::from_secs(60));
        consumed = progress(&mut processes, consumed);
        assert!(feed.live(Duration::ZERO), "there is no load any more:\n{}", feed.said());
        println!("process {number} ended after {drained:?}; {consumed} were consumed when it was back");
    }
    assert!(!feed.live(Duration::from_secs(180)), "the feed doesn't come to its end");
    assert_eq!(feed.end().status.code(), Some(0));
    let told = settled(&program, &plain);
    for end in processes.end_all(Duration::from_secs(60)) {
        assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    }
    assert_eq!(told["ledger"], plain["ledger"], "each event was handled once");
    assert_eq!((&told["accounts"], &told["orders"]), (&plain["accounts"], &plain["orders"]));
    let (longest, most) = waits(&log, &prefix);
    println!("from the log to its commit a tick waited {longest:?} at most, 99 of 100 {most:?}");
    assert!(longest < PAUSE, "a tick waited {longest:?}");
}

/// The report once every processor has consumed what it does in a run that is left alone, or more.
fn settled(program: &AlphaPanda, plain: &Value) -> Value {
    let until = Instant::now() + Duration::from_secs(120);
    let consumed = |report: &Value| -> Vec<u64> {
        let rows = report["ledger"].as_array().unwrap().iter();
        rows.map(|row| row["consumed"].as_u64().unwrap()).collect()
    };
    let wanted = consumed(plain);
    loop {
        let told = program.command("report").start().end().success();
        let all = consumed(&told).iter().zip(&wanted).all(|(there, wanted)| there >= wanted);
        if all || Instant::now() > until {
            return told;
        }
    }
}
