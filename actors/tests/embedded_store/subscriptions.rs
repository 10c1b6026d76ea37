//! Subscriptions of one process.

use std::time::Duration;

use pandaflow::ports::{SettleErrorKind, Transport};
use pandaflow_actors::testkit::contract::effects;

use super::shop::{Notice, Shop, block_on};

fn next(notices: &std::sync::mpsc::Receiver<Notice>) -> Notice {
    notices.recv_timeout(Duration::from_secs(30)).expect("a notice comes")
}

#[test]
fn a_later_subscription_of_a_group_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("paper.in", 1, false);
    let (_first, notices) = shop.subscribe("g", &topic);
    let Notice::Assigned(earlier) = next(&notices) else { panic!("it is assigned first") };
    let (_second, later) = shop.subscribe("g", &topic);
    let Notice::Lost(partition, epoch) = next(&notices) else { panic!("it is lost") };
    assert_eq!((partition, epoch), (earlier.acquired.owner.partition, earlier.acquired.owner.epoch));
    let Notice::Assigned(now) = next(&later) else { panic!("it is assigned") };
    assert!(now.acquired.owner.epoch > epoch);
    let error = shop.settle(effects(&earlier.acquired.owner)).unwrap_err().error;
    assert_eq!(error.kind, SettleErrorKind::Fenced);
}

#[test]
fn a_dropped_subscription_gives_its_partitions_back() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("paper.in", 1, false);
    let (subscription, notices) = shop.subscribe("g", &topic);
    let Notice::Assigned(_) = next(&notices) else { panic!("it is assigned first") };
    drop(subscription);
    assert!(matches!(next(&notices), Notice::Revoked));
}

#[test]
fn a_topic_that_becomes_a_table_holds_what_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("market.ticks", 3, false);
    let no_table = block_on(shop.transport.tables().open(topic.clone()));
    assert!(no_table.err().expect("it is none yet").message.contains("market.ticks"));
    shop.publish(&topic, 0..5);
    shop.topic("market.ticks", 3, true);
    let table = block_on(shop.transport.tables().open(topic.clone())).unwrap();
    assert_eq!(table.latest(b"k").unwrap().value.as_deref(), Some(b"4".as_slice()));
    shop.publish(&topic, 5..6);
    assert_eq!(table.latest(b"k").unwrap().value.as_deref(), Some(b"5".as_slice()));
    // What declares it without a table later doesn't change that.
    shop.topic("market.ticks", 3, false);
    assert!(block_on(shop.transport.tables().open(topic)).is_ok());
}

#[test]
fn what_is_asked_of_a_closed_store_fails_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("paper.in", 1, false);
    let owner = shop.acquire("g", 0, &[&topic]).owner;
    block_on(shop.transport.close());
    let error = shop.settle(effects(&owner)).unwrap_err().error;
    assert_eq!(error.kind, SettleErrorKind::Retry);
    assert!(error.source.message.contains("closed"));
    let load = shop.transport.states().load("g".into(), owner.partition, Vec::new());
    assert!(block_on(load).unwrap_err().message.contains("closed"));
    block_on(shop.transport.close());
}
