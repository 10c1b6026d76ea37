//! How a processor runs: effects, failures, order, drain. On the memory transport and the test's clock.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use pandaflow::{Classify, Context, Event, Handle, StreamProcessor, policy::ledger::Ledger};
use pandaflow_actors::{Program, testkit::TestKit};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "order", version = 1, key = "{account}")]
struct Order {
    account: String,
    cents: i64,
    /// What the handler is to do.
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Then {
    Succeed,
    Filter,
    Fail(u32),
    Panic(u32),
    Hang(u32),
    Poison,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "receipt", version = 1, key = "{account}")]
struct Receipt {
    account: String,
    total: i64,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Total {
    cents: i64,
}

#[derive(Debug, thiserror::Error, Classify)]
enum TillError {
    #[error("not now")]
    #[class(transient)]
    NotNow,
    #[error("never")]
    #[class(poison)]
    Never,
}

#[derive(StreamProcessor)]
#[processor(
    name = "till",
    input(topic = "orders", event = Order),
    output(topic = "receipts", event = Receipt),
    state = Total,
    timeout = "5s",
    concurrency = 10,
    dedup(ttl = "24h"),
)]
struct Till;

impl Handle<Order> for Till {
    type Error = TillError;

    async fn handle(&mut self, order: Event<Order>, ctx: &mut Context<Self>) -> Result<(), TillError> {
        ctx.state_mut().cents += order.cents;
        let total = ctx.state().cents;
        ctx.emit(Receipt { account: order.account.clone(), total });
        match order.then {
            Then::Filter => ctx.filter(),
            Then::Fail(times) if ctx.attempt() <= times => return Err(TillError::NotNow),
            Then::Panic(times) if ctx.attempt() <= times => panic!("the drawer is stuck"),
            Then::Hang(times) if ctx.attempt() <= times => std::future::pending().await,
            Then::Poison => return Err(TillError::Never),
            _ => {}
        }
        Ok(())
    }
}

/// A till under test, and how many of its instances were made.
async fn till() -> (TestKit, Arc<AtomicU32>) {
    let made = Arc::new(AtomicU32::new(0));
    let counted = made.clone();
    let program = Program::new().processor(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Till
    });
    (TestKit::start(program).await, made)
}

fn order(account: &str, cents: i64, then: Then) -> Order {
    Order { account: account.into(), cents, then }
}

#[actix::test]
async fn state_changes_and_outputs_of_a_success_become_real() {
    let (mut kit, _) = till().await;
    kit.send("orders", order("ada", 5, Then::Succeed));
    kit.send("orders", order("ada", 2, Then::Succeed));
    kit.send("orders", order("bob", 1, Then::Filter));
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Till>("ada"), Total { cents: 7 });
    assert_eq!(kit.state::<Till>("bob"), Total { cents: 0 });
    let totals: Vec<i64> = kit.events::<Receipt>("receipts").iter().map(|receipt| receipt.total).collect();
    assert_eq!(totals, [5, 7]);
    assert_eq!(kit.ledger::<Till>(), Ledger { consumed: 3, succeeded: 2, filtered: 1, ..Ledger::default() });
}

#[actix::test]
async fn errors_panics_and_time_outs_are_tried_again_and_leave_nothing_of_the_failed_attempts() {
    let (mut kit, made) = till().await;
    for then in [Then::Fail(2), Then::Panic(2), Then::Hang(2)] {
        kit.send("orders", order("ada", 10, then));
    }
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Till>("ada"), Total { cents: 30 });
    let totals: Vec<i64> = kit.events::<Receipt>("receipts").iter().map(|receipt| receipt.total).collect();
    assert_eq!(totals, [10, 20, 30]);
    assert!(kit.dead_letters().is_empty());
    // Two panics and two time-outs each took the struct with them; two errors did not.
    assert_eq!(made.load(Ordering::Relaxed), 1 + 4);
}

#[actix::test]
async fn what_is_given_up_on_becomes_a_dead_letter_and_the_key_goes_on() {
    let (mut kit, _) = till().await;
    kit.send("orders", order("ada", 10, Then::Fail(99)));
    kit.send("orders", order("ada", 10, Then::Poison));
    kit.send("orders", order("ada", 1, Then::Succeed));
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Till>("ada"), Total { cents: 1 });
    let attempts: Vec<u32> = kit.dead_letters().iter().map(|letter| letter.attempts).collect();
    assert_eq!(attempts, [5, 1]);
    assert_eq!(kit.ledger::<Till>().dead_lettered, 2);
}

#[actix::test]
async fn the_same_event_twice_is_handled_once() {
    let (mut kit, _) = till().await;
    let now = kit.now();
    let id = kit.send("orders", order("ada", 10, Then::Succeed));
    kit.run_until_idle().await;
    kit.send_as("orders", order("ada", 10, Then::Succeed), id, now);
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Till>("ada"), Total { cents: 10 });
    assert_eq!(kit.ledger::<Till>().duplicate, 1);
}

#[actix::test]
async fn a_key_that_waits_for_its_retry_holds_up_no_other_key() {
    let (mut kit, _) = till().await;
    kit.send("orders", order("ada", 10, Then::Fail(4)));
    kit.send("orders", order("bob", 1, Then::Succeed));
    kit.advance(Duration::from_millis(5)).await;
    assert_eq!(kit.state::<Till>("bob"), Total { cents: 1 });
    assert_eq!(kit.state::<Till>("ada"), Total { cents: 0 });
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Till>("ada"), Total { cents: 10 });
}

#[actix::test]
async fn a_program_that_is_stopped_and_started_goes_on_where_it_was() {
    let (mut kit, _) = till().await;
    kit.send("orders", order("ada", 5, Then::Succeed));
    kit.run_until_idle().await;
    kit.restart().await;
    kit.send("orders", order("ada", 2, Then::Succeed));
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Till>("ada"), Total { cents: 7 });
    assert_eq!(kit.ledger::<Till>().consumed, 2);
}
