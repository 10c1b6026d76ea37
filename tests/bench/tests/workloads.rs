//! The program measures each workload and tells what it promises to tell. No rate is asked for here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::Value;

/// What the program prints for these arguments.
fn bench(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pandaflow-bench"));
    if let Ok(redis) = std::env::var("PANDAFLOW_TEST_REDIS") {
        command.env("REDIS__URL", redis);
    }
    let output = command.args(arguments).arg("--json").output().unwrap();
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
fn storm_and_poison_tell_their_rates_beside_those_without_failures() {
    for workload in ["storm", "poison"] {
        for place in [&[][..], &["--embedded"]] {
            let size = ["--n", "2000", "--keys", "50", "--rounds", "2"];
            let report = bench(&[&[workload][..], &size, place].concat());
            assert_complete(&report, workload, 2000);
        }
    }
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

/// The broker that the tests have; without one the test says that it is skipped.
#[cfg(feature = "kafka")]
fn broker() -> Option<String> {
    let broker = std::env::var("PANDAFLOW_TEST_KAFKA").ok().filter(|broker| !broker.is_empty());
    if broker.is_none() {
        eprintln!("skipped: PANDAFLOW_TEST_KAFKA names no broker");
    }
    broker
}

#[cfg(feature = "kafka")]
#[test]
fn workloads_on_a_broker_tell_their_rates_beside_loops_by_hand() {
    let Some(broker) = broker() else { return };
    for (workload, dedup, guarantee) in [
        ("consume", "none", "at-least-once"),
        ("consume", "redis", "at-least-once"),
        ("transform", "memory", "at-least-once"),
        ("transform", "memory", "exactly-once"),
        ("delay", "memory", "at-least-once"),
    ] {
        let topic = format!("bench-test-{workload}-{dedup}-{guarantee}-{}", std::process::id());
        let place = ["--bootstrap", &broker, "--topic", &topic, "--fill", "--dedup", dedup];
        let place = [&place[..], &["--guarantee", guarantee]].concat();
        let size = ["--n", "2000", "--keys", "50", "--rounds", "1", "--work", "0ms..0ms"];
        let size = if workload == "delay" {
            ["--n", "40", "--keys", "5", "--rounds", "1", "--work", "0ms..2ms"]
        } else {
            size
        };
        let report = bench(&[&[workload][..], &place, &size].concat());
        assert_complete(&report, workload, if workload == "delay" { 40 } else { 2000 });
        assert!(report["cold_start_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{report}");
    }
}

#[cfg(feature = "kafka")]
#[test]
fn latency_tells_its_percentiles_beside_a_bare_consumer_s() {
    let Some(broker) = broker() else { return };
    let topic = format!("bench-test-latency-{}", std::process::id());
    let report =
        bench(&["latency", "--bootstrap", &broker, "--topic", &topic, "--n", "1000", "--rate", "1000"]);
    assert_complete(&report, "latency", 1000);
    for whose in ["latency_ms", "bound_latency_ms"] {
        let at = |share: &str| report[whose][share].as_f64().unwrap();
        assert!(
            at("p50") > 0.0 && at("p50") <= at("p99") && at("p99") <= at("p999") && at("p999") <= at("max")
        );
    }
}

#[test]
fn a_broker_that_is_not_named_is_asked_for() {
    let output = Command::new(env!("CARGO_BIN_EXE_pandaflow-bench")).arg("consume").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let wanted = if cfg!(feature = "kafka") { "--bootstrap" } else { "--features kafka" };
    assert!(String::from_utf8_lossy(&output.stderr).contains(wanted), "{output:?}");
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
