//! Two processes under one KAFKA__INSTANCE_ID push each other out of their groups: one of them has to say so and end.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    env,
    time::{Duration, Instant},
};

use pandaflow_tests::{AlphaPanda, shipped_feed};

const SAYS: &str =
    "another member has the same KAFKA__INSTANCE_ID: give each process one of its own, or none";

#[test]
fn of_two_processes_with_one_instance_id_one_says_so_and_ends_and_the_other_goes_on() {
    let Some(broker) = env::var("PANDAFLOW_TEST_KAFKA").ok().filter(|broker| !broker.is_empty()) else {
        eprintln!("skipped: PANDAFLOW_TEST_KAFKA names no broker");
        return;
    };
    let redis = env::var("PANDAFLOW_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379/0".into());
    let home = tempfile::tempdir().unwrap();
    let serve = AlphaPanda::on_kafka(home.path(), &[shipped_feed("us-ibm-20131007-trades.zip")])
        .variable("KAFKA__BOOTSTRAP_SERVERS", &broker)
        .variable("REDIS__URL", &redis)
        .variable("KAFKA__PREFIX", &format!("t{}-", uuid::Uuid::now_v7().simple()))
        .variable("KAFKA__INSTANCE_ID", "one")
        .variable("API__BIND", "127.0.0.1:0")
        .command("serve");
    let mut lives = vec![serve.start(), serve.start()];
    let until = Instant::now() + Duration::from_secs(240);
    let gone = loop {
        let gone = (0..lives.len()).find(|place| !lives[*place].live(Duration::from_millis(100)));
        if let Some(gone) = gone {
            break lives.remove(gone).end();
        }
        assert!(Instant::now() < until, "both go on for four minutes");
    };
    assert_eq!(gone.status.code(), Some(1), "{}", gone.stderr);
    assert!(gone.stderr.contains(SAYS), "{}", gone.stderr);
    let mut other = lives.remove(0);
    assert!(other.live(Duration::from_secs(1)), "the other one goes on");
    other.signal("TERM");
    assert!(!other.live(Duration::from_secs(60)), "it ends");
    let report = other.end();
    assert_eq!(report.status.code(), Some(0), "{}", report.stderr);
}
