//! Three processes on servers of this test's own, of which now one dies or stands still, now another, now the broker, now
//! Redis, now PostgreSQL: everything ends as in a run that was left alone.
//!
//! A minute of trouble where settlements are made on the broker, in the long form half a minute where they are made in PostgreSQL;
//! `tests/run --soak` makes it five or more (PANDAFLOW_TEST_SOAK_SECONDS), with all shipped feeds.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

mod ledgers;
mod outputs;
mod pipeline;
mod states;
mod trouble;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use pandaflow_tests::{AlphaPanda, BrokerLog, Chance, Life, Processes, Servers, shipped_feed};
use serde_json::Value;

use self::{
    pipeline::{GROUPS, PREFIX},
    trouble::{Returning, schedule},
};

const KAFKA: &str = "PANDAFLOW_TEST_KAFKA";
const REDIS: &str = "PANDAFLOW_TEST_REDIS";
const POSTGRES: &str = "PANDAFLOW_TEST_POSTGRES";
const SOAK: &str = "PANDAFLOW_TEST_SOAK_SECONDS";
const PROCESSES: usize = 3;
static AT_WORK: Mutex<()> = Mutex::new(());
/// How much longer the load lasts than the trouble.
const OUTLASTS: Duration = Duration::from_secs(10);
/// How long everything may take to settle once the trouble is over.
const SETTLES: Duration = Duration::from_secs(120);

/// What one run is like.
struct Form {
    protocol: &'static str,
    seed: u64,
    /// DATABASE__SETTLEMENT: dead letters are in PostgreSQL in any case.
    settlement: &'static str,
    length: Duration,
    feeds: Vec<PathBuf>,
}

/// How long the trouble lasts, and what is fed meanwhile.
fn plan() -> (Duration, Vec<PathBuf>) {
    let mut feeds = vec![
        "us-ibm-20131007-trades.zip",
        "us-aig-20131007-trades.zip",
        "nse-yesbank-20190709-minute.zip",
        "nse-yesbank-20190710-minute.zip",
    ];
    let seconds = match std::env::var(SOAK).ok().filter(|seconds| !seconds.is_empty()) {
        None => 60,
        Some(seconds) => {
            feeds.extend(["us-bac-20131007-trades.zip", "us-spy-20131007-trades.zip"]);
            seconds.parse().unwrap_or_else(|error| panic!("{SOAK}={seconds:?}: {error}"))
        }
    };
    (Duration::from_secs(seconds), feeds.into_iter().map(shipped_feed).collect())
}

fn program(home: &Path, servers: &Servers, form: &Form) -> AlphaPanda {
    let program = AlphaPanda::on_kafka(home, &form.feeds)
        .variable("KAFKA__BOOTSTRAP_SERVERS", &servers.address(KAFKA))
        .variable("REDIS__URL", &servers.address(REDIS))
        .variable("KAFKA__PREFIX", PREFIX)
        .variable("KAFKA__GROUP_PROTOCOL", form.protocol)
        .variable("DATABASE__URL", &servers.address(POSTGRES))
        .variable("DATABASE__SETTLEMENT", form.settlement)
        .variable("API__BIND", "127.0.0.1:0");
    // A member that is gone is missed sooner than by default. With the other protocol the broker says when.
    if form.protocol == "classic" {
        program.variable("KAFKA__SESSION_TIMEOUT", "6s").variable("KAFKA__HEARTBEAT_INTERVAL", "1s")
    } else {
        program
    }
}

/// Accounts and orders, which no trouble may change.
fn figures(report: &Value) -> [&Value; 2] {
    [&report["accounts"], &report["orders"]]
}

/// Makes trouble under load, to its end.
fn trouble(
    chance: &mut Chance,
    length: Duration,
    processes: &mut Processes,
    servers: &Servers,
    feed: &mut Life,
) {
    let mut returning = Returning::default();
    let began = Instant::now();
    for (at, action) in schedule(chance, length, processes.count()) {
        loop {
            let left = at.saturating_sub(began.elapsed());
            let alive = feed.live(left.min(Duration::from_millis(500)));
            assert!(alive || began.elapsed() >= length, "there is no load any more:\n{}", feed.said());
            processes.tend();
            if left.is_zero() {
                break;
            }
        }
        println!("{:6.1} s (due at {:.1} s): {action:?}", began.elapsed().as_secs_f64(), at.as_secs_f64());
        action.perform(processes, servers, &mut returning);
    }
    returning.wait_for_all(servers);
}

/// Waits until nothing is left to do and the figures are as they should; the last report. What is left by the offsets is asked before
/// the report, whose parts are read one after the other: its ledger would be of a moment before.
fn settle(
    program: &AlphaPanda,
    processes: &mut Processes,
    left: impl Fn() -> i64,
    left_by_report: impl Fn(&Value) -> i64,
    plain: &Value,
) -> Value {
    let report = program.command("report");
    let until = Instant::now() + SETTLES;
    loop {
        processes.tend();
        let left = left();
        let told = report.start().end();
        let late = Instant::now() > until;
        if !told.status.success() {
            assert!(!late, "there is no report: {}", told.stderr);
            continue;
        }
        let told = told.json();
        let behind = left + left_by_report(&told);
        if late || behind == 0 && figures(&told) == figures(plain) {
            assert_eq!(behind, 0, "not everything is settled: {}\n{}", told["ledger"], processes.said());
            assert_eq!(figures(&told), figures(plain));
            return told;
        }
    }
}

fn all_ends_as_if_left_alone(form: &Form) {
    // What restarts its servers leaves their ports free meanwhile, and two of these are more than the load that is meant.
    let _one_at_a_time = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(servers) = Servers::where_given(KAFKA) else { return };
    let Form { length, feeds, .. } = form;
    let mut chance = Chance::seeded(form.seed);
    let home = tempfile::tempdir().unwrap();
    let calm = home.path().join("calm");
    let plain = AlphaPanda::on(&calm, feeds).variable("API__BIND", "127.0.0.1:0").run().success();
    let events = plain["feed"]["events"].as_u64().unwrap();

    for server in ["kafka", "redis", "postgres"] {
        servers.run("start", server);
    }
    let log = BrokerLog::at(&servers.address(KAFKA));
    let program = program(home.path(), &servers, form);
    let mut processes = Processes::start(&program, PROCESSES);
    // It begins before the trouble does, and has to outlast it.
    let rate = events.div_ceil((*length + OUTLASTS).as_secs());
    let mut feed = program.command("feed").option(&format!("--rate={rate}")).start();
    // A server that is away while it begins ends it with an error; once it publishes, it waits for servers.
    feed.until_line("progress: ");
    trouble(&mut chance, *length, &mut processes, &servers, &mut feed);

    let over = Instant::now();
    processes.await_serving(SETTLES);
    assert!(!feed.live(SETTLES), "the feed doesn't come to its end:\n{}", feed.said());
    let fed = feed.end();
    assert_eq!(fed.status.code(), Some(0), "{}", fed.stderr);
    // What is settled in the database is committed on the broker for others to see, as well as it goes.
    let by_offsets = form.settlement == "broker";
    let left = || match by_offsets {
        true => GROUPS.iter().map(|group| log.behind(&group.name(), &group.inputs())).sum(),
        false => 0,
    };
    let left_by_report = |told: &Value| if by_offsets { 0 } else { ledgers::behind(&log, told) };
    let told = settle(&program, &mut processes, left, left_by_report, &plain);
    println!(
        "settled {:.1} s after the trouble, {} starts",
        over.elapsed().as_secs_f64(),
        processes.starts()
    );
    println!("{}", told["ledger"]);

    ledgers::balance(&log, &told);
    if by_offsets {
        ledgers::commits_never_go_back(&log);
        states::settled_events_go_into_no_later_owners_state(&log);
    }
    outputs::are_there_once_by_their_ids(&log, &calm);
    for end in processes.end_all(Duration::from_secs(60)) {
        assert_eq!(end.status.code(), Some(0), "{}", end.stderr);
    }
}

#[test]
fn whatever_dies_or_stands_still_everything_ends_as_if_left_alone() {
    let (length, feeds) = plan();
    let form = |protocol, seed| Form { protocol, seed, settlement: "broker", length, feeds: feeds.clone() };
    all_ends_as_if_left_alone(&form("classic", 0xc4a05));
    if std::env::var_os(SOAK).is_some() {
        all_ends_as_if_left_alone(&form("consumer", 0xc4a06));
    }
}

/// Half as long.
#[test]
fn whatever_dies_or_stands_still_all_ends_as_if_left_alone_where_the_database_settles() {
    let feeds = ["us-aig-20131007-trades.zip", "nse-yesbank-20190709-minute.zip"].map(shipped_feed).to_vec();
    let length = plan().0 / 2;
    let form = Form { protocol: "classic", seed: 0xc4a07, settlement: "database", length, feeds };
    all_ends_as_if_left_alone(&form);
}
