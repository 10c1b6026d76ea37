//! The program measures each workload and tells what it promises to tell. No rate is asked for here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::Value;

/// What the program prints for these arguments.
fn bench(arguments: &[&str]) -> Value {
    let output =
        Command::new(env!("CARGO_BIN_EXE_pandaflow-bench")).args(arguments).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The fields that other programs read.
fn assert_complete(report: &Value, workload: &str, n: u64) {
    assert_eq!(report["workload"], workload);
    assert_eq!(report["n"], n);
    for field in ["seconds", "events_per_s", "cpu_s", "max_rss_mb", "bound_seconds", "ratio"] {
        assert!(report[field].as_f64().is_some_and(|number| number > 0.0), "{field} in {report}");
    }
}

#[test]
fn memory_tells_its_rate_beside_the_loop_s() {
    let report = bench(&["memory", "--n", "2000", "--keys", "50", "--rounds", "1"]);
    assert_complete(&report, "memory", 2000);
    assert!(report["bound_events_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{report}");
}

#[test]
fn embedded_tells_its_rate_beside_the_bare_loop_s() {
    let report = bench(&["embedded", "--n", "2000", "--keys", "50", "--rounds", "1"]);
    assert_complete(&report, "embedded", 2000);
    assert!(report["transactions"].as_u64().is_some_and(|transactions| transactions > 0), "{report}");
}

#[test]
fn delay_tells_its_time_beside_what_no_scheduler_could_beat() {
    for order in ["key", "partition", "none"] {
        let report = bench(&[
            "delay",
            "--n",
            "40",
            "--keys",
            "5",
            "--work",
            "0ms..2ms",
            "--order",
            order,
            "--concurrency",
            "10",
        ]);
        assert_complete(&report, "delay", 40);
        assert!(report["seconds"].as_f64() >= report["bound_seconds"].as_f64(), "{report}");
        assert_eq!((&report["order"], &report["concurrency"]), (&order.into(), &10.into()));
    }
}

#[test]
fn an_option_that_can_t_be_read_is_refused_with_what_would_be_right() {
    let output = Command::new(env!("CARGO_BIN_EXE_pandaflow-bench"))
        .args(["delay", "--work", "5..9"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("write 0ms..5ms"), "{output:?}");
}

#[test]
fn allocations_are_counted_the_same_twice() {
    let count = || {
        let output = Command::new(env!("CARGO_BIN_EXE_pandaflow-allocations"))
            .args(["memory", "--only", "loop", "--n", "500"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().parse::<u64>().unwrap()
    };
    let counted = count();
    assert!(counted > 500);
    assert_eq!(count(), counted);
}
