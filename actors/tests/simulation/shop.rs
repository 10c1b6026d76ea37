//! The program that is simulated: payments are booked per account, and what is booked is summed up by the next step.

use std::collections::BTreeMap;

use pandaflow::{Classify, Context, Event, Handle, StreamProcessor, TopicSpec};
use pandaflow_actors::{
    Program,
    testkit::simulate::{Input, Rng, Simulation, View, simulate},
};
use serde::{Deserialize, Serialize};

/// What is special about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Good,
    /// Nobody wants to know.
    Idle,
    /// It can never be booked.
    Forged,
    /// It can't be booked, whenever it is tried.
    Unlucky,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "payment", version = 1, key = "{account}")]
pub(crate) struct Payment {
    pub(crate) account: String,
    pub(crate) cents: i64,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "booked", version = 1, key = "{account}")]
pub(crate) struct Booked {
    pub(crate) account: String,
    pub(crate) cents: i64,
    /// How many were booked on the account before.
    pub(crate) before: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "balance", version = 1, key = "{account}")]
pub(crate) struct Balance {
    pub(crate) account: String,
    pub(crate) cents: i64,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) booked: u64,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) cents: i64,
    pub(crate) booked: u64,
}

#[derive(Debug, thiserror::Error, Classify)]
pub(crate) enum BookError {
    #[error("it is forged")]
    #[class(poison)]
    Forged,
    #[error("not now")]
    #[class(transient)]
    Unlucky,
}

/// Books payments.
#[derive(StreamProcessor)]
#[processor(
    name = "booker",
    input(topic = "payments", event = Payment),
    output(topic = "booked", event = Booked),
    state = Count,
    timeout = "5s",
    concurrency = 4,
    retry(attempts = 5, backoff = "100ms..10s"),
    dedup(ttl = "24h"),
)]
pub(crate) struct Booker;

impl Handle<Payment> for Booker {
    type Error = BookError;

    async fn handle(&mut self, payment: Event<Payment>, ctx: &mut Context<Self>) -> Result<(), BookError> {
        let Payment { account, cents, kind } = payment.data;
        let before = ctx.state().booked;
        ctx.state_mut().booked += 1;
        ctx.emit(Booked { account: account.clone(), cents, before });
        if cents % 2 == 0 {
            ctx.emit(Booked { account, cents: 0, before });
        }
        match kind {
            Kind::Good => Ok(()),
            Kind::Idle => {
                ctx.filter();
                Ok(())
            }
            Kind::Forged => Err(BookError::Forged),
            Kind::Unlucky => Err(BookError::Unlucky),
        }
    }
}

/// Sums up what is booked.
#[derive(StreamProcessor)]
#[processor(
    name = "teller",
    input(topic = "booked", event = Booked),
    output(topic = "balances", event = Balance),
    state = Sum,
    timeout = "5s",
    concurrency = 4,
    dedup(ttl = "24h"),
)]
pub(crate) struct Teller;

impl Handle<Booked> for Teller {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, booked: Event<Booked>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        let Booked { account, cents, .. } = booked.data;
        let sum = ctx.state_mut();
        sum.cents += cents;
        sum.booked += 1;
        let cents = sum.cents;
        ctx.emit(Balance { account, cents });
        Ok(())
    }
}

/// Three partitions each.
pub(crate) fn program() -> Program {
    topics().processor(|| Booker).processor(|| Teller)
}

pub(crate) fn topics() -> Program {
    let of = |topic: &str| TopicSpec::new(topic).partitions(3);
    Program::new().topic(of("payments")).topic(of("booked")).topic(of("balances"))
}

/// 10 to 40 payments on 4 accounts, most of them good.
pub(crate) fn payments(rng: &mut Rng) -> Vec<Input> {
    (0..rng.between(10, 41))
        .map(|_| {
            let kind = match rng.below(16) {
                0 => Kind::Idle,
                1 => Kind::Forged,
                2 => Kind::Unlucky,
                _ => Kind::Good,
            };
            let account = format!("account-{}", rng.below(4));
            let cents = i64::try_from(rng.between(1, 1_000)).unwrap_or(1);
            Input::new("payments", Payment { account, cents, kind })
        })
        .collect()
}

/// What was told of an account last is what is kept of it: both are settled together.
pub(crate) fn balances_agree(view: &View<'_>) -> Result<(), String> {
    let told =
        view.events::<Balance>("balances").into_iter().map(|event| (event.data.account, event.data.cents));
    for (account, told) in told.collect::<BTreeMap<_, _>>() {
        let kept = view.state::<Teller>(&account).cents;
        if told != kept {
            return Err(format!("{account} was told to have {told} and has {kept}"));
        }
    }
    Ok(())
}

pub(crate) fn shop() -> Simulation {
    simulate(program).feed(payments).invariant("balances agree", balances_agree)
}
