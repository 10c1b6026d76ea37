//! The trading pipeline on the real broker with checkpoints on this machine: ended, killed and started again, it reads only what
//! its checkpoints don't have, and ends as a plain run does. Skipped, with a word, where PANDAFLOW_TEST_KAFKA names no broker.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use pandaflow_tests::{AlphaPanda, Life, given, shipped_feed};
use serde_json::Value;

const CAME: &str = " records came from checkpoints, ";

fn feeds() -> Vec<PathBuf> {
    ["us-ibm-20131007-trades.zip", "us-aig-20131007-trades.zip"].map(shipped_feed).to_vec()
}

fn on_kafka(folder: &str) -> Option<AlphaPanda> {
    let servers = given("PANDAFLOW_TEST_KAFKA")?;
    let redis = env::var("PANDAFLOW_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379/0".into());
    let program = AlphaPanda::on_kafka(&env::temp_dir(), &feeds())
        .variable("REDIS__URL", &redis)
        .variable("KAFKA__BOOTSTRAP_SERVERS", &servers)
        .variable("KAFKA__PREFIX", &format!("t{}-", uuid::Uuid::now_v7().simple()))
        .variable("KAFKA__SESSION_TIMEOUT", "6s")
        .variable("KAFKA__CHECKPOINT_DIR", folder)
        .variable("KAFKA__CHECKPOINT_INTERVAL", "1s")
        .variable("API__BIND", "127.0.0.1:0");
    Some(program)
}

/// Accounts and orders, which no transport changes.
fn figures(report: &Value) -> [&Value; 2] {
    [&report["accounts"], &report["orders"]]
}

/// What became of each processor's events: handled or found to be, and filtered out. Of events that had gone into a state when a process
/// was killed, the next one finds that out and counts duplicates.
fn handled(report: &Value) -> Vec<[u64; 2]> {
    let number = |row: &Value, field: &str| row[field].as_u64().unwrap();
    let of = |row: &Value| [number(row, "succeeded") + number(row, "duplicate"), number(row, "filtered")];
    report["ledger"].as_array().unwrap().iter().map(of).collect()
}

/// Whether each tick was handled once, and nothing behind is missing: an output may have been written twice, and be a duplicate.
fn is_all_handled(told: &Value, plain: &Value) -> bool {
    let (told, plain) = (handled(told), handled(plain));
    told[0] == plain[0]
        && told.iter().zip(&plain).all(|(told, plain)| told[0] >= plain[0] && told[1] == plain[1])
}

/// How many records a process has said to have read from checkpoints and from logs.
fn read(said: &str) -> (u64, u64) {
    let number = |text: Option<&str>| text.and_then(|word| word.parse::<u64>().ok()).unwrap();
    said.lines().filter_map(|line| line.split_once(CAME)).fold((0, 0), |sum, (before, behind)| {
        let from_checkpoint = number(before.rsplit([' ', '"']).next());
        let from_log = number(behind.split(' ').next());
        (sum.0 + from_checkpoint, sum.1 + from_log)
    })
}

fn serve(program: &AlphaPanda) -> Life {
    let mut life = program.command("serve").start();
    life.until_line("\"event\":\"serving\"");
    life
}

/// Publishes for so long, and is killed.
fn feed_for(program: &AlphaPanda, millis: u64) {
    let mut life = program.command("feed").start();
    life.live(Duration::from_millis(millis));
    life.kill();
}

/// Waits until the figures are those of an undisturbed run, and all of the feed is through.
fn until_done(program: &AlphaPanda, plain: &Value) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let told = program.command("report").start().end().success();
        let done = is_all_handled(&told, plain) && figures(&told) == figures(plain);
        if done || Instant::now() > deadline {
            return told;
        }
    }
}

#[test]
fn a_pipeline_that_is_started_again_reads_only_the_tail_and_ends_as_a_plain_run() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = on_kafka(folder.path().to_str().unwrap()) else { return };
    let plain = AlphaPanda::on(&folder.path().join("data"), &feeds())
        .variable("API__BIND", "127.0.0.1:0")
        .run()
        .success();
    let first = serve(&program);
    feed_for(&program, 2_500);
    first.signal("TERM");
    let first = first.end();
    assert_eq!(first.status.code(), Some(0), "{}", first.stderr);

    let mut second = serve(&program);
    assert!(second.has_said(CAME, Duration::from_secs(60)), "it tells what it has restored");
    feed_for(&program, 2_500);
    let second = second.kill();
    let (from_checkpoint, from_log) = read(&second.stderr);
    assert!(from_checkpoint > 0, "{}", second.stderr);
    // Nobody has written since the first one has ended, unless its end was given up: then it said so.
    if !first.stderr.contains("checkpoints are not up to date") {
        assert_eq!(from_log, 0, "{}", second.stderr);
    }

    let third = serve(&program);
    let fed = program.command("feed").start().end();
    assert_eq!(fed.status.code(), Some(0), "{}", fed.stderr);
    let told = until_done(&program, &plain);
    assert_eq!(figures(&told), figures(&plain));
    assert!(is_all_handled(&told, &plain), "{} and not {}", told["ledger"], plain["ledger"]);
    third.signal("TERM");
    let third = third.end();
    assert_eq!(third.status.code(), Some(0), "{}", third.stderr);
    assert!(read(&third.stderr).0 > 0, "{}", third.stderr);
}

#[test]
fn a_folder_that_can_not_be_written_is_refused_by_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("below");
    let program =
        AlphaPanda::on_kafka(folder.path(), &[]).variable("KAFKA__CHECKPOINT_DIR", below.to_str().unwrap());
    let refused = program.bare(&["config", "check"]).start().end();
    assert_eq!(refused.status.code(), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("KAFKA__CHECKPOINT_DIR: "), "{}", refused.stderr);
    assert!(refused.stderr.contains("can't be written"), "{}", refused.stderr);
    let program = program.variable("KAFKA__CHECKPOINT_DIR", folder.path().join("made").to_str().unwrap());
    let fine = program.bare(&["config", "check"]).start().end();
    assert_eq!(fine.status.code(), Some(0), "{}", fine.stderr);
}
