//! A feed on a broker that is killed under it again and again: each of its events is on the log once, in its order.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use pandaflow_tests::{AlphaPanda, BrokerLog, Chance, Servers, Written, given, shipped_feed};

const KAFKA: &str = "PANDAFLOW_TEST_KAFKA";
const KILLS: usize = 5;
/// Ticks a second: the feed outlasts the kills. What a broker has missed goes out as fast as it can, once it is back.
const RATE: u64 = 1_200;

fn ticks(home: &Path, servers: &Servers) -> AlphaPanda {
    let feeds = ["us-ibm-20131007-trades.zip", "us-aig-20131007-trades.zip"].map(shipped_feed);
    AlphaPanda::on_kafka(home, &feeds)
        .variable("KAFKA__BOOTSTRAP_SERVERS", &servers.address(KAFKA))
        .variable("REDIS__URL", &given("PANDAFLOW_TEST_REDIS").unwrap())
        .variable("API__BIND", "127.0.0.1:0")
}

#[test]
fn a_feed_publishes_each_event_once_and_in_order_however_often_its_broker_is_killed() {
    let Some(servers) = Servers::where_given(KAFKA) else { return };
    let home = tempfile::tempdir().unwrap();
    servers.run("start", "kafka");
    let mut feed = ticks(home.path(), &servers).command("feed").option(&format!("--rate={RATE}")).start();
    // While it begins, a server that is away ends it with an error.
    feed.until_line(" s left, ");
    let mut chance = Chance::seeded(0xfeed);
    for kill in 0..KILLS {
        // Now in the midst of it again, now while what was on its way comes once more.
        let alive = feed.live(Duration::from_millis([0, 100, 400, 1_500][kill % 4] + chance.below(300)));
        assert!(alive, "the feed ended before kill {kill}:\n{}", feed.said());
        servers.run("kill", "kafka");
        servers.run("start", "kafka");
    }
    assert!(!feed.live(Duration::from_secs(120)), "the feed doesn't come to its end:\n{}", feed.said());
    let fed = feed.end();
    assert_eq!(fed.status.code(), Some(0), "{}", fed.stderr);

    let ticks = BrokerLog::at(&servers.address(KAFKA)).read("market.ticks");
    let ids: BTreeSet<String> = ticks.iter().map(Written::id).collect();
    let told = format!("{} of the feed's {} events are on the log\n", ids.len(), ids.len());
    assert_eq!((fed.stdout, ticks.len()), (told, ids.len()), "the events, and how many records there are");
    let mut latest: BTreeMap<&[u8], i64> = BTreeMap::new();
    for tick in &ticks {
        let before = latest.entry(tick.key.as_deref().unwrap()).or_insert(i64::MIN);
        assert!(*before <= tick.timestamp, "a tick of {} comes behind one of {before}", tick.timestamp);
        *before = tick.timestamp;
    }
}

#[test]
fn a_feed_that_stood_still_for_longer_than_a_transaction_may_take_goes_on() {
    let Some(broker) = given(KAFKA) else { return };
    let home = tempfile::tempdir().unwrap();
    let prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
    let mut feed = AlphaPanda::on_kafka(home.path(), &[shipped_feed("us-ibm-20131007-trades.zip")])
        .variable("KAFKA__BOOTSTRAP_SERVERS", &broker)
        .variable("KAFKA__PREFIX", &prefix)
        .variable("KAFKA__TRANSACTION_TIMEOUT", "1s")
        .variable("REDIS__URL", &given("PANDAFLOW_TEST_REDIS").unwrap())
        .variable("API__BIND", "127.0.0.1:0")
        .command("feed")
        .option("--rate=2500")
        .start();
    feed.until_line(" s left, ");
    for _ in 0..3 {
        assert!(feed.live(Duration::from_millis(600)), "the feed ended:\n{}", feed.said());
        feed.signal("STOP");
        // The broker looks every second for transactions that have taken too long.
        assert!(feed.live(Duration::from_secs(4)), "a stopped process does not end");
        feed.signal("CONT");
    }
    let fed = feed.end();
    assert_eq!(fed.status.code(), Some(0), "{}", fed.stderr);
    let ticks = BrokerLog::at(&broker).read(&format!("{prefix}market.ticks"));
    let ids: BTreeSet<String> = ticks.iter().map(Written::id).collect();
    assert_eq!(
        (ticks.len(), format!("{} of the feed's {} events are on the log\n", ids.len(), ids.len())),
        (ids.len(), fed.stdout)
    );
}
