//! Killed at any instant, any number of times, a run ends as one that was left alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    os::unix::process::ExitStatusExt,
    path::Path,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use pandaflow::{Group, ports::Transport};
use pandaflow_actors::transport::embedded::{EmbeddedConfig, EmbeddedTransport};
use pandaflow_tests::{AlphaPanda, Chance, Report, shipped_feed};
use serde_json::Value;

/// SIGKILLs of the whole test.
const KILLS: u32 = 100;
/// SIGTERMs of the whole test.
const STOPS: u32 = 50;
/// Lives of a run, on average, so that they end in each part of it.
const LIVES: u32 = 8;

fn feeds() -> [std::path::PathBuf; 2] {
    [shipped_feed("us-ibm-20131007-trades.zip"), shipped_feed("nse-yesbank-20190709-minute.zip")]
}

/// What must be the same however a run came to its end.
fn outcome(report: &Value) -> (Value, Value) {
    (report["accounts"].clone(), report["orders"].clone())
}

/// The report of a run that is left alone, and how long it took.
fn undisturbed(folder: &Path) -> (Value, Duration) {
    let began = Instant::now();
    let report = AlphaPanda::on(&folder.join("calm"), &feeds()).run().success();
    (report, began.elapsed())
}

/// How long the next life lasts: of any length up to twice the average.
fn a_life(whole: Duration, chance: &mut Chance) -> Duration {
    let longest = 2 * whole / LIVES;
    longest * u32::try_from(chance.below(1_000)).unwrap() / 1_000
}

/// The ledgers balance as they lie in the file, whenever the process died.
fn check_ledgers(data: &Path, seed: &str) {
    if !data.join("pandaflow.db").is_file() {
        return;
    }
    let transport = EmbeddedTransport::open(data, EmbeddedConfig::default()).unwrap();
    let groups: Vec<Group> = ["strategies", "risk-manager", "execution", "portfolio"]
        .map(|processor| Group::from(format!("pandaflow.paper.{processor}").as_str()))
        .to_vec();
    let lags = block_on(transport.lag(groups.clone())).unwrap();
    for (group, ledger) in block_on(transport.ledgers(groups)).unwrap() {
        let below: u64 = lags.iter().filter(|lag| lag.group == group).map(|lag| lag.next.0).sum();
        assert_eq!(ledger.in_flight(), Some(0), "{seed}: {group} {ledger:?}");
        assert!(ledger.ended() >= below, "{seed}: {group} {ledger:?}, watermarks at {below}");
    }
    block_on(transport.close());
}

/// Whether the signal came before there was anything to drain: while the feed was read for the first time, or, on a busy
/// machine, before `main` could take signals over.
fn never_began(report: &Report) -> bool {
    let checking =
        report.status.success() && report.stderr.trim_end().ends_with("stopped before anything was begun");
    let starting = report.status.signal() == Some(15) && report.stderr.is_empty();
    if checking || starting {
        assert_eq!(report.stdout, "", "nothing has begun, so there is nothing to report");
    }
    checking || starting
}

#[test]
fn a_run_killed_at_any_instant_any_number_of_times_ends_as_one_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (undisturbed, whole) = undisturbed(folder.path());
    let mut chance = Chance::seeded(0x5eed);
    let (mut kills, mut runs) = (0, 0);
    while kills < KILLS {
        runs += 1;
        let data = folder.path().join(format!("killed-{runs}"));
        let program = AlphaPanda::on(&data, &feeds());
        let report = loop {
            let mut life = program.start();
            let time = a_life(whole, &mut chance);
            if kills >= KILLS || !life.live(time) {
                break life.end();
            }
            kills += 1;
            life.kill();
            check_ledgers(&data, &format!("run {runs}, kill {kills} after {time:?}"));
        };
        let report = report.success();
        assert_eq!(outcome(&report), outcome(&undisturbed), "run {runs}");
        // Accounts stop trading at their day's limit; the ledger counts every event of every step.
        assert_eq!(report["ledger"], undisturbed["ledger"], "run {runs}");
        check_ledgers(&data, &format!("run {runs}"));
    }
    println!("{kills} kills in {runs} runs");
}

#[test]
fn a_run_stopped_at_any_instant_drains_with_exit_code_0_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (undisturbed, whole) = undisturbed(folder.path());
    let mut chance = Chance::seeded(0x7e33);
    let (mut stops, mut runs, mut unborn) = (0, 0, 0);
    while stops < STOPS {
        runs += 1;
        let data = folder.path().join(format!("stopped-{runs}"));
        let program = AlphaPanda::on(&data, &feeds());
        let report = loop {
            let mut life = program.start();
            let time = a_life(whole, &mut chance);
            if stops >= STOPS || !life.live(time) {
                break life.end();
            }
            life.signal("TERM");
            let report = life.end();
            if never_began(&report) {
                unborn += 1;
                assert!(unborn < 10 * STOPS, "no life gets far enough to be drained");
                continue;
            }
            stops += 1;
            let json = report.success();
            // Nothing is in flight after a drain, so nothing is handled twice afterwards.
            for row in json["ledger"].as_array().unwrap() {
                assert_eq!(row["in_flight"], 0, "{row}");
            }
        };
        let report = report.success();
        assert_eq!(outcome(&report), outcome(&undisturbed), "run {runs}");
        // The ledger counts every event once over all lives: none was handled twice.
        assert_eq!(report["ledger"], undisturbed["ledger"], "run {runs}");
    }
    println!("{stops} stops in {runs} runs, {unborn} more before anything had begun");
}
