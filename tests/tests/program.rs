//! The program's options, its report, and what it says when something is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{fs, path::PathBuf};

use pandaflow_tests::{AlphaPanda, Report, shipped_feed};

fn ibm() -> PathBuf {
    shipped_feed("us-ibm-20131007-trades.zip")
}

/// Refused with exit code 2, a message that names each of `parts`, and nothing on standard output.
fn assert_refused(report: &Report, parts: &[&str]) {
    assert_eq!(report.status.code(), Some(2), "{}", report.stderr);
    assert_eq!(report.stdout, "");
    for part in parts {
        assert!(report.stderr.contains(part), "no {part:?} in {}", report.stderr);
    }
}

#[test]
fn ticks_outside_of_the_regular_session_are_exactly_what_the_strategies_filter() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> =
        ["us-ibm-20131007-trades.zip", "us-aig-20131007-trades.zip", "nse-yesbank-20190709-minute.zip"]
            .map(shipped_feed)
            .to_vec();
    let outside: u64 =
        alpha_panda::feed::check(&files).unwrap().iter().map(|file| file.outside_regular_session).sum();
    assert!(outside > 0);
    let report = AlphaPanda::on(&folder.path().join("data"), &files).run().success();
    let strategies =
        &report["ledger"].as_array().unwrap().iter().find(|row| row["processor"] == "strategies").unwrap();
    assert_eq!(strategies["filtered"], outside);
    assert_eq!(strategies["consumed"], report["feed"]["events"]);
}

#[test]
fn the_report_has_the_fields_that_other_programs_read() {
    let folder = tempfile::tempdir().unwrap();
    let program = AlphaPanda::on(&folder.path().join("data"), &[ibm()])
        .option("--namespace")
        .option("paper")
        .option("--namespace")
        .option("zerodha");
    let report = program.run().success();
    assert_eq!(report["feed"]["files"].as_array().unwrap().len(), 1);
    assert_eq!(report["feed"]["events"], 24_293);
    let ledger = report["ledger"].as_array().unwrap();
    assert_eq!(ledger.len(), 8, "four processors in two namespaces");
    for row in ledger {
        let count = |name: &str| row[name].as_u64().unwrap();
        let ended: u64 =
            ["succeeded", "filtered", "duplicate", "dead_lettered", "parked"].map(count).iter().sum();
        assert_eq!(count("consumed"), ended + count("in_flight"), "{row}");
    }
    let orders = &report["orders"];
    assert!(orders["submitted"].as_u64().unwrap() > 0);
    assert_eq!(orders["submitted"], orders["filled"]);
    assert_eq!(orders["failed"], 0);
    let accounts = report["accounts"].as_array().unwrap();
    let of = |namespace: &str| -> Vec<(String, String)> {
        accounts
            .iter()
            .filter(|row| row["namespace"] == namespace)
            .map(|row| (row["account"].to_string(), row["cash"].as_str().unwrap().to_owned()))
            .collect()
    };
    assert!(!of("paper").is_empty());
    assert_eq!(of("paper"), of("zerodha"), "the same rules and the same feed, apart from each other");
    assert!(report["elapsed_seconds"].as_f64().unwrap() > 0.0);
    assert!(report["events_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_second_run_adds_nothing_and_a_fresh_one_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let program = AlphaPanda::on(&folder.path().join("data"), &[ibm()]);
    let first = program.run().success();
    let second = program.run().success();
    let fresh = program.clone().option("--fresh").run().success();
    for again in [second, fresh] {
        assert_eq!(again["accounts"], first["accounts"]);
        assert_eq!(again["orders"], first["orders"]);
        assert_eq!(again["ledger"], first["ledger"]);
    }
}

#[test]
fn a_feed_that_is_missing_cut_off_or_malformed_is_refused_before_anything_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let cut = folder.path().join("us-ibm-20131007-trades.zip");
    let whole = fs::read(ibm()).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    assert_refused(&AlphaPanda::on(&data, &[folder.path().join("none.zip")]).run(), &["none.zip"]);
    assert_refused(&AlphaPanda::on(&data, std::slice::from_ref(&cut)).run(), &["us-ibm-20131007-trades.zip"]);
    assert_refused(&AlphaPanda::on(&data, &[ibm(), ibm()]).run(), &["us-ibm-20131007-trades.zip"]);
    assert!(!data.exists(), "nothing is half done");
}

#[test]
fn bad_settings_are_listed_all_together() {
    let folder = tempfile::tempdir().unwrap();
    let program = AlphaPanda::on(&folder.path().join("data"), &[ibm()])
        .variable("RUNTIME__SHUTDOWN_DEADLINE", "soon")
        .variable("PAPER_TRADING__SLIPAGE_PERCENT", "0.1")
        .variable("LOGGING__LEVEL", "loud");
    let parts = ["RUNTIME__SHUTDOWN_DEADLINE", "\"soon\"", "SLIPPAGE_PERCENT", "LOGGING__LEVEL"];
    assert_refused(&program.run(), &parts);
}

#[test]
fn a_data_folder_in_use_is_refused_and_the_run_that_uses_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let program = AlphaPanda::on(&folder.path().join("data"), &[ibm()]);
    let mut first = program.start();
    first.until_line("serving health and metrics");
    assert_refused(&program.run(), &["in use by another process"]);
    assert_refused(&program.clone().option("--fresh").run(), &["in use by another process"]);
    let _ = first.end().success();
}

#[test]
fn a_damaged_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let program = AlphaPanda::on(&data, &[ibm()]);
    let _ = program.run().success();
    let file = data.join("pandaflow.db");
    let whole = fs::read(&file).unwrap();
    for damage in [whole[..whole.len() - 5_000].to_vec(), [&b"x"[..], &whole[1..]].concat()] {
        fs::write(&file, &damage).unwrap();
        assert_refused(&program.run(), &["pandaflow.db"]);
        assert!(fs::read(&file).unwrap() == damage, "the file was changed");
    }
}
