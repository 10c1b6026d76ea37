//! The program on Kafka with its settlements in PostgreSQL: a server of the test's own, which is killed while the program runs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::env;

use pandaflow_tests::{AlphaPanda, Servers, shipped_feed};
use serde_json::Value;

const POSTGRES: &str = "PANDAFLOW_TEST_POSTGRES";

/// Accounts and orders, which no transport changes.
fn figures(report: &Value) -> [&Value; 2] {
    [&report["accounts"], &report["orders"]]
}

#[test]
fn a_run_whose_database_is_killed_again_and_again_ends_with_the_accounts_and_orders_of_the_embedded_one() {
    let Some(servers) = Servers::where_given(POSTGRES) else { return };
    let Some(broker) = env::var("PANDAFLOW_TEST_KAFKA").ok().filter(|broker| !broker.is_empty()) else {
        eprintln!("skipped: PANDAFLOW_TEST_KAFKA names no broker");
        return;
    };
    let feeds = [shipped_feed("us-ibm-20131007-trades.zip")];
    let folder = tempfile::tempdir().unwrap();
    let embedded = AlphaPanda::on(&folder.path().join("data"), &feeds).variable("API__BIND", "127.0.0.1:0");
    let plain = embedded.run().success();

    servers.run("start", "postgres");
    let program = AlphaPanda::on_kafka(folder.path(), &feeds)
        .variable("KAFKA__BOOTSTRAP_SERVERS", &broker)
        .variable("KAFKA__PREFIX", &format!("t{}-", uuid::Uuid::now_v7().simple()))
        .variable("DATABASE__URL", &servers.address(POSTGRES))
        .variable("DATABASE__SETTLEMENT", "database")
        .variable("API__BIND", "127.0.0.1:0");
    let mut run = program.start();
    // As fast as it can be killed and is up again.
    for _ in 0..5 {
        if !run.live(std::time::Duration::from_millis(700)) {
            break;
        }
        servers.run("kill", "postgres");
        servers.run("start", "postgres");
    }
    let run = run.end().success();
    assert_eq!(figures(&run), figures(&plain));
    assert_eq!(run["ledger"], plain["ledger"]);
    let told = program.command("report").start().end().success();
    assert_eq!(figures(&told), figures(&plain));
}
