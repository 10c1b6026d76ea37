//! The program on the real broker that PANDAFLOW_TEST_KAFKA names; skipped, with a word, where it names none. Each test has
//! topics and groups of its own, by KAFKA__PREFIX.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use pandaflow_tests::{AlphaPanda, Report, shipped_feed};
use redis::Commands;
use serde_json::Value;

fn feeds() -> Vec<PathBuf> {
    ["us-ibm-20131007-trades.zip", "us-aig-20131007-trades.zip"].map(shipped_feed).to_vec()
}

/// The program with these feeds in a pipeline of its own.
fn on_kafka(feeds: &[PathBuf]) -> Option<AlphaPanda> {
    let Some(servers) = env::var("PANDAFLOW_TEST_KAFKA").ok().filter(|servers| !servers.is_empty()) else {
        eprintln!("skipped: PANDAFLOW_TEST_KAFKA names no broker");
        return None;
    };
    let folder = env::temp_dir();
    // Where the program was built with Redis, ids that were seen are kept there.
    let redis = env::var("PANDAFLOW_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379/0".into());
    let program = AlphaPanda::on_kafka(&folder, feeds)
        .variable("REDIS__URL", &redis)
        .variable("KAFKA__BOOTSTRAP_SERVERS", &servers)
        .variable("KAFKA__PREFIX", &format!("t{}-", uuid::Uuid::now_v7().simple()))
        .variable("API__BIND", "127.0.0.1:0");
    Some(program)
}

fn embedded(feeds: &[PathBuf]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    AlphaPanda::on(&folder.path().join("data"), feeds).variable("API__BIND", "127.0.0.1:0").run().success()
}

/// Accounts, orders and what each processor ended, which no transport changes.
fn figures(report: &Value) -> [&Value; 2] {
    [&report["accounts"], &report["orders"]]
}

#[test]
fn a_run_on_kafka_ends_with_the_accounts_and_orders_of_the_embedded_one_and_any_process_can_tell_them() {
    let feeds = feeds();
    let Some(program) = on_kafka(&feeds) else { return };
    let plain = embedded(&feeds);
    let run = program.run().success();
    assert_eq!(figures(&run), figures(&plain));
    assert_eq!(run["ledger"], plain["ledger"]);
    assert_eq!(run["feed"]["events"], 49_644);

    let told = program.command("report").start().end().success();
    assert_eq!(figures(&told), figures(&plain));
    assert_eq!(told["ledger"], plain["ledger"]);
    assert_eq!(told["feed"], run["feed"]);
    let fields = |report: &Value| report.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&told), fields(&run));
    // Run once more, there is nothing left to do.
    let again = program.run().success();
    assert_eq!(figures(&again), figures(&plain));
    assert_eq!(again["ledger"], run["ledger"]);
    assert_cached(&program, &again);
}

/// The portfolio's cache on Redis shows every account's book, and no other.
fn assert_cached(program: &AlphaPanda, report: &Value) {
    let redis = redis::Client::open(program.value("REDIS__URL").unwrap()).unwrap();
    let mut redis = redis.get_connection().unwrap();
    let prefix = format!("{}paper:portfolio:", program.value("KAFKA__PREFIX").unwrap());
    let accounts = report["accounts"].as_array().unwrap();
    let keys: BTreeSet<String> = redis.smembers(format!("{prefix}#keys")).unwrap();
    assert_eq!(keys, accounts.iter().map(|account| account["account"].as_str().unwrap().into()).collect());
    assert!(!keys.is_empty());
    for account in accounts {
        let key = format!("{prefix}{}", account["account"].as_str().unwrap());
        let book: BTreeMap<String, String> = redis.hgetall(key).unwrap();
        for field in ["position", "cash", "realized_pnl", "trades"] {
            let told = account[field].as_str().map_or_else(|| account[field].to_string(), str::to_owned);
            assert_eq!(book[field], told, "{field} of {account}");
        }
    }
}

#[test]
fn a_feed_that_is_killed_publishes_each_event_once_for_processes_that_share_the_work_and_drain_on_a_signal() {
    let feeds = feeds();
    let Some(program) = on_kafka(&feeds) else { return };
    let plain = embedded(&feeds);
    let serve = program.command("serve");
    let mut serving = [serve.start(), serve.start()];
    for life in &mut serving {
        life.until_line("\"event\":\"serving\"");
    }
    let feed = program.command("feed");
    for millis in [700, 1_500, 2_500] {
        let mut life = feed.start();
        life.live(Duration::from_millis(millis));
        life.kill();
    }
    let fed = feed.start().end();
    assert_eq!(fed.status.code(), Some(0), "{}", fed.stderr);
    assert_eq!(fed.stdout, "49644 of the feed's 49644 events are on the log\n");

    let report = program.command("report");
    let deadline = Instant::now() + Duration::from_secs(120);
    let told = loop {
        let told = report.start().end().success();
        let strategies = &told["ledger"][0];
        let done = strategies["consumed"].as_u64() >= Some(49_644) && figures(&told) == figures(&plain);
        if done || Instant::now() > deadline {
            break told;
        }
    };
    assert_eq!(figures(&told), figures(&plain));
    assert_eq!(told["ledger"], plain["ledger"], "each event once, and none twice");
    for mut life in serving {
        life.signal("TERM");
        // Whoever drains ends by itself.
        assert!(!life.live(Duration::from_secs(60)), "still alive a minute after SIGTERM");
        let end = life.end();
        assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    }
}

/// Refused with exit code 2 and a message that names each of `parts`.
fn assert_refused(report: &Report, parts: &[&str]) {
    assert_eq!(report.status.code(), Some(2), "{}", report.stderr);
    for part in parts {
        assert!(report.stderr.contains(part), "no {part:?} in {}", report.stderr);
    }
}

#[test]
fn a_broker_that_is_not_there_is_one_clear_error_within_the_time_out() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let program = AlphaPanda::on_kafka(&env::temp_dir(), &feeds())
        .variable("KAFKA__BOOTSTRAP_SERVERS", &closed)
        .variable("KAFKA__TIMEOUT", "1s");
    for command in ["run", "serve", "feed", "report"] {
        let began = Instant::now();
        let report = program.command(command).start().end();
        assert!(began.elapsed() < Duration::from_secs(10), "{command}: {:?}", began.elapsed());
        assert_refused(&report, &["KAFKA__BOOTSTRAP_SERVERS: no answer from", &closed, "KAFKA__TIMEOUT"]);
    }
}

#[test]
fn options_that_need_the_other_mode_are_refused() {
    let program = AlphaPanda::on_kafka(&env::temp_dir(), &feeds());
    assert_refused(&program.clone().option("--fresh").run(), &["--fresh goes with --mode embedded"]);
    assert_refused(&program.option("--data=x").run(), &["--data goes with --mode embedded"]);
}

#[test]
fn topics_are_planned_applied_and_checked_by_the_command_line() {
    let Some(program) = on_kafka(&[]) else { return };
    let topics = |what: &str| program.bare(&["topics", what]).start().end();
    let plan = topics("plan");
    assert_eq!(plan.status.code(), Some(1), "{}", plan.stderr);
    assert!(plan.stdout.contains("create: table, 12 partitions, compacted after 1h"), "{}", plan.stdout);
    assert!(plan.stdout.ends_with("17 to change, 0 refused, 0 as declared\n"), "{}", plan.stdout);
    assert_eq!(topics("check").status.code(), Some(1));
    assert_eq!(topics("apply").status.code(), Some(0));
    let check = topics("check");
    assert_eq!((check.status.code(), check.stdout.as_str()), (Some(0), "all 17 topics are as declared\n"));
    let plan = topics("plan");
    assert_eq!(plan.status.code(), Some(0));
    assert!(plan.stdout.ends_with("0 to change, 0 refused, 17 as declared\n"), "{}", plan.stdout);
}
