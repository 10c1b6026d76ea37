//! Retention, under a clock that the test sets.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query, sql_types::BigInt};
use pandaflow::{
    Clock, Offset, Timestamp,
    policy::watermark::Progress,
    ports::{Mark, Settlement},
};
use pandaflow_actors::{testkit::contract::effects, transport::embedded::EmbeddedConfig};

use super::shop::{Shop, block_on, event, letter};

const HOUR: i64 = 3_600_000;

#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

fn shop(folder: &std::path::Path) -> (Shop, Hand) {
    let hand = Hand::default();
    let mut config = EmbeddedConfig::default();
    config.clock = Arc::new(hand.clone());
    (Shop::with(folder, config).unwrap(), hand)
}

fn count(folder: &std::path::Path, table: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let mut connection = SqliteConnection::establish(folder.join("pandaflow.db").to_str().unwrap()).unwrap();
    let counted: Vec<Count> =
        sql_query(format!("SELECT count(*) AS rows FROM {table}")).load(&mut connection).unwrap();
    counted[0].rows
}

#[test]
fn records_go_once_they_are_old_and_every_group_has_settled_them() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, hand) = shop(folder.path());
    let topic = shop.topic("paper.in", 1, false);
    let owners = ["one", "two"].map(|group| shop.acquire(group, 0, &[&topic]).owner);
    shop.publish(&topic, 0..3000);
    hand.advance(HOUR / 2);
    shop.publish(&topic, 3000..4000);
    let tidy = |rows| {
        block_on(shop.transport.tidy()).unwrap();
        assert_eq!(count(folder.path(), "log"), rows);
    };
    let settle = |owner, next| {
        let progress = vec![(topic.clone(), Progress::at(Offset(next)))];
        shop.settle(Settlement { progress, ..effects(owner) }).unwrap();
    };
    settle(&owners[0], 4000);
    settle(&owners[1], 2500);
    tidy(4000);
    hand.advance(HOUR / 2 + 1);
    tidy(1500);
    settle(&owners[1], 4000);
    tidy(1000);
    // A new group begins where the log does.
    assert_eq!(shop.acquire("three", 0, &[&topic]).progress[0].1, Progress::at(Offset(3000)));
    assert_eq!(shop.read(&topic, 1000).unwrap()[0].offset, Offset(3000));
}

#[test]
fn offsets_go_on_after_everything_was_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, hand) = shop(folder.path());
    let topic = shop.topic("paper.in", 1, false);
    shop.publish(&topic, 0..700);
    hand.advance(2 * HOUR);
    block_on(shop.transport.tidy()).unwrap();
    assert_eq!(count(folder.path(), "log"), 0);
    shop.close();
    let shop = Shop::open(folder.path());
    shop.publish(&topic, 700..701);
    assert_eq!(shop.read(&topic, 1).unwrap()[0].offset, Offset(700));
}

#[test]
fn expired_marks_and_old_dead_letters_go() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, hand) = shop(folder.path());
    let topic = shop.topic("paper.in", 1, false);
    let owner = shop.acquire("g", 0, &[&topic]).owner;
    let marks =
        (0..5000).map(|number| Mark { id: event(number), expires: Timestamp(number as i64) }).collect();
    shop.settle(Settlement { marks, dead_letters: vec![letter(&topic); 3], ..effects(&owner) }).unwrap();
    hand.advance(4000);
    block_on(shop.transport.tidy()).unwrap();
    assert_eq!((count(folder.path(), "dedup"), count(folder.path(), "dead_letters")), (999, 3));
    hand.advance(7 * 24 * HOUR);
    shop.settle(Settlement { dead_letters: vec![letter(&topic)], ..effects(&owner) }).unwrap();
    block_on(shop.transport.tidy()).unwrap();
    assert_eq!((count(folder.path(), "dedup"), count(folder.path(), "dead_letters")), (0, 1));
}
