//! `derive(StreamProcessor)`.

use std::{convert::Infallible, time::Duration};

use pandaflow::{
    Context, DeadLetterRule, Declaration, Dedup, ErrorClass, Event, EventId, FailureKind, Guarantee, Handle,
    Input, Order, Output, Payload, Record, RetryRule, StreamProcessor, Table, Tombstone,
    policy::retry::{Jitter, Multiplier},
};
use serde::{Deserialize, Serialize};

use crate::{
    events::{Ping, Pong, ping, pong},
    run::{attempt, enveloped, raw},
};

/// A handler that answers to its own name: the name of the event type is what it emits as key.
macro_rules! handles {
    ($processor:ty: $($event:ty),*) => {$(
        impl Handle<$event> for $processor {
            type Error = Infallible;
            async fn handle(&mut self, _: Event<$event>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
                ctx.emit(Pong { key: <$event as Payload>::TYPE.as_str().into() });
                Ok(())
            }
        }
    )*};
}

#[derive(StreamProcessor)]
#[processor(name = "least", input(topic = "pings", event = Ping))]
struct Least;

impl Handle<Ping> for Least {
    type Error = Infallible;
    async fn handle(&mut self, _: Event<Ping>, _: &mut Context<Self>) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn what_is_not_declared_is_as_documented() {
    let expected = Declaration {
        name: "least",
        inputs: &[Input { topic: "pings", events: &[Ping::TYPE] }],
        tables: &[],
        outputs: &[],
        state_version: 1,
        order: Order::Key,
        concurrency: 100,
        timeout: Duration::from_secs(30),
        retries: &[],
        dead_letters: DeadLetterRule::UNCHANGED,
        dedup: None,
        guarantee: None,
        transaction: false,
    };
    assert_eq!(Least::DECLARATION, expected);
}

#[test]
fn a_tombstone_is_filtered_and_an_input_that_is_not_there_is_a_failure() {
    let tombstone = Record { value: None, ..raw(b"") };
    assert!(attempt(&mut Least, 0, &tombstone).is_ok_and(|effects| effects.filtered));
    let failure = attempt(&mut Least, 1, &enveloped(&ping())).err().unwrap();
    assert_eq!((failure.kind, failure.class), (FailureKind::Undecodable, ErrorClass::Poison));
    assert_eq!(Least::peek_id(0, &enveloped(&ping())), Some(EventId(uuid::Uuid::from_u128(7))));
    assert_eq!(Least::peek_id(1, &enveloped(&ping())), None);
}

#[derive(Default, Clone, Serialize, Deserialize)]
struct Seen<T> {
    pings: Vec<T>,
}

#[derive(StreamProcessor)]
#[processor(
    name = "all",
    input(topic = "pings", event = Ping, format = "envelope"),
    table(topic = "pongs.latest", event = Pong),
    table(topic = "pings.latest", event = Ping, format = "json"),
    output(topic = "pongs", event = Pong, format = "json"),
    output(topic = "pings.again", event = self::Ping),
    state = Seen<(u8, u8)>,
    state_version = 2,
    order = "partition",
    concurrency = 7,
    timeout = "1500ms",
    retry(attempts = 5, backoff = "100ms..10s"),
    retry(class = "transient", attempts = 1),
    retry(class = "infrastructure", backoff = "1m..1h", multiplier = 1.5, jitter = "none", in_place = "250ms"),
    retry(class = "rate_limit", attempts = 8, backoff = "5s..5m"),
    retry(class = "business", park_after = 3, give_up_after = "1h"),
    retry(class = "authentication", attempts = 2),
    retry(class = "poison", attempts = 2),
    dead_letters(in_a_row = 1000, percent = 80),
    dedup(ttl = "2d"),
    guarantee = "exactly-once",
    transaction,
)]
struct All {
    name: &'static str,
}

impl Handle<Ping> for All {
    type Error = Infallible;

    async fn handle(&mut self, _: Event<Ping>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        ctx.state_mut().pings.push((1, 2));
        ctx.emit(Pong { key: self.name.into() });
        ctx.emit(ping());
        Ok(())
    }

    async fn tombstone(&mut self, _: Tombstone, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        ctx.emit(pong());
        Ok(())
    }
}

#[test]
fn every_option_is_declared_as_it_is_written() {
    let rule = |class, attempts, backoff: Option<_>| {
        let (base, cap) = backoff.unzip();
        RetryRule { class, attempts, base, cap, ..RetryRule::UNCHANGED }
    };
    let (ms, s) = (Duration::from_millis, Duration::from_secs);
    let declared = All::DECLARATION;
    assert_eq!(declared.tables.len(), 2);
    assert_eq!(declared.tables[1], Table { topic: "pings.latest", event: Ping::TYPE });
    assert_eq!(declared.outputs[0], Output { topic: "pongs", event: Pong::TYPE });
    assert_eq!((declared.state_version, declared.order, declared.concurrency), (2, Order::Partition, 7));
    assert_eq!((declared.timeout, declared.dedup), (ms(1500), Some(Dedup { ttl: s(2 * 86_400) })));
    assert_eq!(declared.guarantee, Some(Guarantee::ExactlyOnce));
    assert_eq!(declared.dead_letters, DeadLetterRule { in_a_row: Some(1_000), percent: Some(80) });
    let rules = [
        rule(None, Some(5), Some((ms(100), s(10)))),
        rule(Some(ErrorClass::Transient), Some(1), None),
        RetryRule {
            multiplier: Some(Multiplier::of_thousandths(1_500)),
            jitter: Some(Jitter::None),
            in_place: Some(ms(250)),
            ..rule(Some(ErrorClass::Infrastructure), None, Some((s(60), s(3600))))
        },
        rule(Some(ErrorClass::RateLimit), Some(8), Some((s(5), s(300)))),
        RetryRule {
            park_after: Some(3),
            give_up_after: Some(s(3600)),
            ..rule(Some(ErrorClass::Business), None, None)
        },
        rule(Some(ErrorClass::Authentication), Some(2), None),
        rule(Some(ErrorClass::Poison), Some(2), None),
    ];
    assert_eq!(declared.retries, rules);
}

#[test]
fn state_outputs_and_tombstones_go_where_they_are_declared() {
    let mut all = All { name: "all" };
    let effects = attempt(&mut all, 0, &enveloped(&ping())).unwrap();
    assert_eq!(effects.state.unwrap().pings, [(1, 2)]);
    let topics: Vec<_> = effects.outputs.iter().map(|out| out.topic.as_str()).collect();
    assert_eq!(topics, ["paper.pongs", "paper.pings.again"]);
    assert_eq!(effects.outputs[0].value.as_deref(), Some(&br#"{"key":"all"}"#[..]));
    let tombstone = Record { value: None, ..raw(b"") };
    assert_eq!(attempt(&mut all, 0, &tombstone).unwrap().outputs.len(), 1);
}

#[derive(StreamProcessor)]
#[processor(
    name = "shared",
    input(topic = "mixed", event = Ping),
    input(topic = "pongs", event = Pong),
    input(topic = "mixed", event = Pong),
    output(topic = "out", event = Pong),
    order = "none",
    dedup,
    guarantee = "at-least-once",
)]
struct Shared;

handles!(Shared: Ping, Pong);

#[test]
fn events_of_one_topic_are_told_apart_and_topics_stand_in_order_of_appearance() {
    let declared = Shared::DECLARATION;
    let inputs = [
        Input { topic: "mixed", events: &[Ping::TYPE, Pong::TYPE] },
        Input { topic: "pongs", events: &[Pong::TYPE] },
    ];
    assert_eq!(declared.inputs, inputs);
    assert_eq!((declared.order, declared.dedup), (Order::None, Some(Dedup { ttl: Dedup::DEFAULT_TTL })));
    assert_eq!(declared.guarantee, Some(Guarantee::AtLeastOnce));
    let emitted = |input, record: &Record| {
        let effects = attempt(&mut Shared, input, record).unwrap();
        effects.outputs[0].key.clone().unwrap()
    };
    assert_eq!(emitted(0, &enveloped(&ping())), "ping");
    assert_eq!(emitted(0, &enveloped(&pong())), "pong");
    assert_eq!(emitted(1, &enveloped(&pong())), "pong");
    let failure = attempt(&mut Shared, 1, &enveloped(&ping())).err().unwrap();
    assert_eq!(failure.kind, FailureKind::Undecodable);
}

#[derive(StreamProcessor)]
#[processor(name = "spread")]
#[processor(input(topic = "pings", event = Ping))]
#[processor(output(topic = "pongs", event = Pong))]
struct Spread(#[allow(dead_code, reason = "shows that a tuple struct is taken")] u8);

handles!(Spread: Ping);

#[test]
fn the_options_may_be_spread_over_several_attributes() {
    assert_eq!(Spread::DECLARATION.name, "spread");
    assert_eq!(attempt(&mut Spread(1), 0, &enveloped(&ping())).unwrap().outputs.len(), 1);
}
