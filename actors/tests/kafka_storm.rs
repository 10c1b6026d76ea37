//! A rebalance storm on a real broker: every second a member joins or leaves under load, each with its own clients.
//!
//! Twenty seconds for each group protocol; PANDAFLOW_TEST_SOAK_SECONDS makes it longer.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

#[path = "kafka_support/shop.rs"]
mod shop;

use std::{
    collections::VecDeque,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use pandaflow::ports::Transport;
use pandaflow_actors::transport::kafka::{GroupProtocol, KafkaConfig};

use self::shop::{Journal, Member, Shop, assert_handled_once_in_order};
pub(crate) use self::support::{eventually, read_all, transport};

const SOAK: &str = "PANDAFLOW_TEST_SOAK_SECONDS";
/// Payments that wait to be handled, at most.
const BACKLOG: u64 = 20_000;
/// Members at most, those included that join or leave.
const MOST: usize = 5;

fn length() -> Duration {
    let seconds = std::env::var(SOAK).ok().filter(|seconds| !seconds.is_empty());
    Duration::from_secs(seconds.map_or(20, |seconds| seconds.parse().unwrap()))
}

/// Who belongs to the group, who joins it and who leaves it.
struct Members {
    config: KafkaConfig,
    /// Of all members: their calls of the handler, as they came.
    journal: Journal,
    joining: VecDeque<JoinHandle<Member>>,
    here: VecDeque<Member>,
    leaving: Vec<JoinHandle<bool>>,
    seed: u64,
}

impl Members {
    fn join(&mut self) {
        let (config, journal) = (self.config.clone(), self.journal.clone());
        self.joining.push_back(std::thread::spawn(move || Member::start(&config, &journal)));
    }

    /// Any of them, as the seed says.
    fn leave(&mut self) {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = (self.seed >> 33) as usize % self.here.len();
        let member = self.here.remove(place).unwrap();
        self.leaving.push(std::thread::spawn(move || member.leave()));
    }

    fn handled(&self) -> u64 {
        self.journal.lock().unwrap().len() as u64
    }

    /// Takes note of who has joined and who has left.
    fn look(&mut self) {
        while self.joining.front().is_some_and(JoinHandle::is_finished) {
            self.here.push_back(self.joining.pop_front().unwrap().join().unwrap());
        }
        for gone in self.leaving.extract_if(.., |leaving| leaving.is_finished()) {
            assert!(gone.join().unwrap(), "a member did not drain in time");
        }
    }

    /// Lets somebody join or leave, by turns; whoever is alone stays.
    fn change(&mut self, turn: u32) -> &'static str {
        let all = self.joining.len() + self.here.len() + self.leaving.len();
        match turn % 2 {
            0 if all < MOST => {
                self.join();
                "joins"
            }
            1 if self.here.len() > 1 => {
                self.leave();
                "leaves"
            }
            _ => "stays",
        }
    }
}

async fn nothing_is_handled_twice_or_out_of_order(protocol: GroupProtocol) {
    let Some(broker) = support::broker() else { return };
    let seed = std::env::var("PANDAFLOW_TEST_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("seed {seed} (set PANDAFLOW_TEST_SEED to run with another)");
    // With the classic protocol a member hears of a new round at its next heartbeat: twice a second, so that rounds end.
    let session = (Duration::from_secs(10), Duration::from_millis(500));
    let config = KafkaConfig { protocol, session, ..support::config(&broker) };
    let mut shop = Shop::open(&config).await;
    let mut members = Members {
        config,
        journal: Journal::default(),
        joining: VecDeque::new(),
        here: VecDeque::new(),
        leaving: Vec::new(),
        seed,
    };
    members.join();
    let (began, mut turn, mut published, mut changes) = (Instant::now(), 0, 0_u64, 0);
    while began.elapsed() < length() {
        let waiting = published.checked_sub(members.handled()).expect("some were handled twice");
        if waiting < BACKLOG {
            shop.publish(50).await;
            published += 50;
        } else {
            // There is enough to do; the broker's answer sets the pace.
            shop.transport.lag(vec![shop::group()]).await.unwrap();
        }
        members.look();
        if began.elapsed() >= Duration::from_secs(1) * (turn + 1) {
            changes += u32::from(members.change(turn) != "stays");
            turn += 1;
        }
    }
    let handled = members.handled();
    println!("{changes} joined or left; {handled} of {published} were handled by then");
    assert!(changes > turn / 2, "there was little of a storm: {changes} in {turn} seconds");

    let ledger = shop.settled(published).await;
    let Members { journal, joining, here, leaving, .. } = members;
    for gone in leaving {
        assert!(gone.join().unwrap(), "a member did not drain in time");
    }
    for member in joining.into_iter().map(|joining| joining.join().unwrap()).chain(here) {
        assert!(member.leave(), "a member did not drain in time");
    }
    assert_handled_once_in_order(&journal, published);
    assert_eq!((ledger.consumed, ledger.duplicate), (published, 0));
    shop.assert_counted_once().await;
    let receipts = shop.receipts().await;
    assert_eq!((receipts.len() as u64, receipts.values().max()), (published, Some(&1)));
}

#[actix::test]
async fn members_join_and_leave_every_second_and_nothing_is_handled_twice_or_out_of_order_classic() {
    nothing_is_handled_twice_or_out_of_order(GroupProtocol::Classic).await;
}

#[actix::test]
async fn members_join_and_leave_every_second_and_nothing_is_handled_twice_or_out_of_order_consumer() {
    nothing_is_handled_twice_or_out_of_order(GroupProtocol::Consumer).await;
}
