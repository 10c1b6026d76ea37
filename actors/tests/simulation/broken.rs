//! Processors that don't do what a handler must do are found, and what is told of them is short.

use std::sync::atomic::{AtomicU64, Ordering};

use pandaflow::{Context, Event, Handle, StreamProcessor};
use pandaflow_actors::testkit::simulate::{Action, Failure, simulate};

use crate::shop::{Balance, Booked, Kind, Payment, payments, topics};

/// Tells which attempt it was.
#[derive(StreamProcessor)]
#[processor(
    name = "booker",
    input(topic = "payments", event = Payment),
    output(topic = "booked", event = Booked),
    dedup(ttl = "24h")
)]
struct Counting;

impl Handle<Payment> for Counting {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, payment: Event<Payment>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        let Payment { account, cents, .. } = payment.data;
        let before = u64::from(ctx.attempt());
        ctx.emit(Booked { account, cents, before });
        Ok(())
    }
}

/// Sums up in a field of its own, which no crash brings back.
#[derive(StreamProcessor)]
#[processor(
    name = "teller",
    input(topic = "payments", event = Payment),
    output(topic = "balances", event = Balance),
    order = "partition"
)]
struct Forgetful(i64);

impl Handle<Payment> for Forgetful {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, payment: Event<Payment>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        self.0 += payment.data.cents;
        ctx.emit(Balance { account: payment.data.account, cents: self.0 });
        Ok(())
    }
}

/// Draws what it tells.
#[derive(StreamProcessor)]
#[processor(name = "booker", input(topic = "payments", event = Payment), output(topic = "booked", event = Booked))]
struct Drawing;

impl Handle<Payment> for Drawing {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, payment: Event<Payment>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        static DRAWN: AtomicU64 = AtomicU64::new(0);
        let before = DRAWN.fetch_add(1, Ordering::Relaxed);
        ctx.emit(Booked { account: payment.data.account, cents: payment.data.cents, before });
        Ok(())
    }
}

#[test]
fn an_effect_that_depends_on_the_attempt_is_told_in_a_few_steps() {
    let failure = simulate(|| topics().processor(|| Counting)).feed(payments).run().unwrap_err();
    let is_disturbed = failure.actions.iter().any(|action| matches!(action, Action::Disturb(_)));
    assert!(is_disturbed && failure.actions.len() <= 3, "{failure}");
    is_told(&failure);
}

#[test]
fn a_field_that_is_kept_over_events_is_told_in_a_few_steps() {
    let failure = simulate(|| topics().processor(|| Forgetful(0))).feed(payments).run().unwrap_err();
    assert!(failure.actions.len() <= 5, "{failure}");
    is_told(&failure);
}

#[test]
fn a_drawn_effect_is_told_in_one_step() {
    let failure = simulate(|| topics().processor(|| Drawing)).feed(payments).run().unwrap_err();
    assert!(matches!(failure.actions[..], [Action::Send(_)]), "{failure}");
    is_told(&failure);
}

#[test]
fn an_invariant_that_does_not_hold_is_named() {
    let failure = simulate(|| topics().processor(|| Counting))
        .send("payments", Payment { account: "ada".into(), cents: 5, kind: Kind::Good })
        .invariant("nobody books", |view| match view.records("booked").len() {
            0 => Ok(()),
            booked => Err(format!("{booked} are booked")),
        })
        .seeds(7..8)
        .run()
        .unwrap_err();
    assert_eq!(failure.violation.to_string(), "nobody books: 1 are booked");
    assert_eq!(failure.actions, [Action::Send(0)]);
    is_told(&failure);
}

fn is_told(failure: &Failure) {
    let story = failure.to_string();
    assert!(story.contains(&format!("run it again with .seeds({}..", failure.seed)), "{story}");
    assert!(story.contains("   1. "), "{story}");
}
