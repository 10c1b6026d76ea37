//! A processor on a real broker: in order, once, over restarts, rebalances and crashes.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

#[path = "kafka_support/admin.rs"]
mod admin;

#[path = "kafka_support/child.rs"]
mod child;

#[path = "kafka_support/shop.rs"]
mod shop;

use std::{process::Command, sync::Arc};

use pandaflow::ports::Transport;
use pandaflow_actors::transport::kafka::{GroupProtocol, KafkaConfig};

use self::admin::Admin;
use self::child::impatient;
use self::shop::{Journal, Member, PARTITIONS, Shop, assert_handled_once_in_order};
pub(crate) use self::support::{eventually, read_all, transport};

/// What a child process runs.
const CHILD: &str = "runs_as_a_child_until_it_is_killed";

fn config(broker: &str, protocol: GroupProtocol) -> KafkaConfig {
    KafkaConfig { protocol, ..support::config(broker) }
}

#[actix::test]
async fn everything_is_handled_once_and_a_clean_stop_leaves_nothing_to_do_again() {
    let Some(broker) = support::broker() else { return };
    let config = config(&broker, GroupProtocol::Classic);
    let mut shop = Shop::open(&config).await;
    let journal = Journal::default();
    for round in 1..=3 {
        shop.publish(1000).await;
        let member = Member::start(&config, &journal);
        let ledger = shop.settled(round * 1000).await;
        assert_eq!((ledger.consumed, ledger.succeeded), (round * 1000, round * 1000));
        assert!(member.leave(), "it drains in time");
        assert_handled_once_in_order(&journal, round * 1000);
    }
    shop.assert_counted_once().await;
    let receipts = shop.receipts().await;
    assert_eq!((receipts.len(), receipts.values().max()), (3000, Some(&1)));
}

async fn a_member_that_leaves_hands_its_partitions_over(protocol: GroupProtocol) {
    let Some(broker) = support::broker() else { return };
    let config = config(&broker, protocol);
    let mut shop = Shop::open(&config).await;
    let (stays, leaves) = (Journal::default(), Journal::default());
    let one = Member::start(&config, &stays);
    let other = Member::start(&config, &leaves);
    let mut published = 0;
    // Both have something to do before one of them leaves, and there is more while it does.
    support::eventually(async || {
        shop.publish(200).await;
        published += 200;
        let both = !stays.lock().unwrap().is_empty() && !leaves.lock().unwrap().is_empty();
        both.then_some(())
    })
    .await;
    shop.publish(2000).await;
    let left = std::thread::spawn(move || other.leave());
    while !left.is_finished() {
        shop.publish(100).await;
        published += 100;
    }
    assert!(left.join().unwrap(), "it drains in time");
    published += 2000;
    let ledger = shop.settled(published).await;
    assert!(one.leave());
    let both: usize = [&stays, &leaves].iter().map(|journal| journal.lock().unwrap().len()).sum();
    assert_eq!(both as u64, published, "some were handled twice, or not: {ledger:?}");
    assert_eq!((ledger.consumed, ledger.duplicate), (published, 0));
    shop.assert_counted_once().await;
}

#[actix::test]
async fn a_member_that_leaves_hands_its_partitions_over_classic() {
    a_member_that_leaves_hands_its_partitions_over(GroupProtocol::Classic).await;
}

#[actix::test]
async fn a_member_that_leaves_hands_its_partitions_over_consumer() {
    a_member_that_leaves_hands_its_partitions_over(GroupProtocol::Consumer).await;
}

/// One of them has no partition; whichever it is, the group doesn't count on it once it is gone.
#[actix::test]
async fn a_member_that_has_left_is_not_counted_on() {
    let Some(broker) = support::broker() else { return };
    let config = config(&broker, GroupProtocol::Classic);
    let _shop = Shop::open(&config).await;
    let admin = Admin::new(&broker, &config.prefix);
    let (group, journal) = (shop::group(), Journal::default());
    let mut members: Vec<_> = (0..=PARTITIONS).map(|_| Member::start(&config, &journal)).collect();
    admin.settled_group(group.as_str(), members.len()).await;
    while let Some(member) = members.pop() {
        assert!(member.leave(), "it drains in time");
        assert_eq!(admin.members(group.as_str()), members.len(), "somebody is counted on who has left");
    }
}

/// No test by itself: what the next one starts and kills.
#[test]
fn runs_as_a_child_until_it_is_killed() {
    let (Ok(prefix), Some(broker)) = (std::env::var(child::PREFIX), support::broker()) else { return };
    let config = KafkaConfig { prefix, ..impatient(config(&broker, GroupProtocol::Classic)) };
    let _member = Member::start(&config, &Journal::default());
    loop {
        std::thread::park();
    }
}

#[actix::test]
async fn a_killed_process_leaves_each_event_in_its_state_once() {
    let Some(broker) = support::broker() else { return };
    let config = impatient(config(&broker, GroupProtocol::Classic));
    let mut shop = Shop::open(&config).await;
    let mut published = 0;
    for kill in 1..=4 {
        shop.publish(2000).await;
        published += 2000;
        let mut child = child::start(CHILD, &config.prefix);
        // Somewhere in the middle, at another place each time.
        let some = published - 2000 + kill * 137;
        support::eventually(async || {
            let receipts = shop.transport.lag(vec![shop::group()]).await.ok()?;
            (receipts.iter().map(|lag| lag.next.0).sum::<u64>() >= some).then_some(())
        })
        .await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let member = Member::start(&config, &Arc::default());
    let ledger = shop.settled(published).await;
    assert!(member.leave());
    assert_eq!(ledger.in_flight(), Some(0));
    println!("duplicates found after four kills: {}", ledger.duplicate);
    shop.assert_counted_once().await;
    assert_eq!(shop.receipts().await.len() as u64, published, "receipts by their ids");
}

/// A command that kills the broker (SIGKILL) and starts it again.
const RESTART: &str = "PANDAFLOW_TEST_KAFKA_RESTART";

/// Nothing is handled twice in a state, and nothing is lost, though the broker is killed under load, twice.
#[actix::test]
#[ignore = "it restarts the broker, which others use meanwhile: run it alone"]
async fn a_broker_that_is_killed_and_comes_back_is_survived() {
    let Some(broker) = support::broker() else { return };
    let Ok(command) = std::env::var(RESTART) else {
        println!("skipped: {RESTART} has no command that kills and starts the broker");
        return;
    };
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let config = config(&broker, protocol);
        let mut shop = Shop::open(&config).await;
        let journal = Journal::default();
        let member = Member::start(&config, &journal);
        let mut published = 0;
        for _ in 0..2 {
            shop.publish(3000).await;
            published += 3000;
            let command = command.clone();
            let restarted =
                std::thread::spawn(move || Command::new("sh").args(["-c", &command]).status().unwrap());
            // Published while it is away: it becomes real once the broker is back.
            shop.publish(500).await;
            published += 500;
            assert!(restarted.join().unwrap().success());
        }
        let ledger = shop.settled(published).await;
        assert!(member.leave());
        println!("handled {} of {published}: {ledger:?}", journal.lock().unwrap().len());
        shop.assert_counted_once().await;
        assert_eq!(shop.receipts().await.len() as u64, published, "receipts by their ids");
    }
}

/// A process that stands still loses its partitions without knowing it; what it does when it goes on changes no state.
#[actix::test]
async fn a_process_that_stood_still_changes_nothing_afterwards() {
    let Some(broker) = support::broker() else { return };
    let config = impatient(config(&broker, GroupProtocol::Classic));
    let mut shop = Shop::open(&config).await;
    shop.publish(4000).await;
    let mut stands = child::start(CHILD, &config.prefix);
    let next = async |shop: &Shop| {
        let lags = shop.transport.lag(vec![shop::group()]).await.ok()?;
        Some(lags.iter().map(|lag| lag.next.0).sum::<u64>())
    };
    support::eventually(async || next(&shop).await.filter(|next| *next > 100)).await;
    child::signal(&stands, "-STOP");
    let member = Member::start(&config, &Arc::default());
    shop.settled(4000).await;
    shop.publish(400).await;
    child::signal(&stands, "-CONT");
    shop.settled(4400).await;
    // The one that stood still is back in the group by now, or will be.
    shop.publish(400).await;
    shop.settled(4800).await;
    stands.kill().unwrap();
    stands.wait().unwrap();
    assert!(member.leave());
    let again = Member::start(&config, &Arc::default());
    shop.publish(400).await;
    let ledger = shop.settled(5200).await;
    assert!(again.leave());
    println!("{ledger:?}");
    shop.assert_counted_once().await;
    assert_eq!(shop.receipts().await.len(), 5200, "receipts by their ids");
}

/// Members come and go under load, one every second or two.
async fn members_come_and_go(protocol: GroupProtocol) {
    let Some(broker) = support::broker() else { return };
    let config = config(&broker, protocol);
    let mut shop = Shop::open(&config).await;
    let mut published = 0;
    let mut members = Vec::new();
    let mut journals = Vec::new();
    for _ in 0..6 {
        let journal = Journal::default();
        let (settings, own) = (config.clone(), journal.clone());
        let starting = std::thread::spawn(move || Member::start(&settings, &own));
        while !starting.is_finished() {
            shop.publish(50).await;
            published += 50;
        }
        members.push(starting.join().unwrap());
        journals.push(journal.clone());
        for _ in 0..20 {
            shop.publish(50).await;
            published += 50;
        }
        if members.len() > 2 {
            let oldest = members.remove(0);
            let leaving = std::thread::spawn(move || oldest.leave());
            while !leaving.is_finished() {
                shop.publish(50).await;
                published += 50;
            }
            assert!(leaving.join().unwrap(), "it drains in time");
        }
    }
    let ledger = shop.settled(published).await;
    for member in members {
        assert!(member.leave());
    }
    let handled: usize = journals.iter().map(|journal| journal.lock().unwrap().len()).sum();
    assert_eq!(handled as u64, published, "some were handled twice: {ledger:?}");
    assert_eq!((ledger.consumed, ledger.duplicate), (published, 0));
    shop.assert_counted_once().await;
}

#[actix::test]
async fn members_come_and_go_classic() {
    members_come_and_go(GroupProtocol::Classic).await;
}

#[actix::test]
async fn members_come_and_go_consumer() {
    members_come_and_go(GroupProtocol::Consumer).await;
}
