//! Handlers that fail in every way, on a real broker: what passes is tried again in its key's order, what doesn't becomes one
//! dead letter, and no failed attempt leaves an output or a change of state.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pandaflow::{
    Classify, Context, Event, EventEnvelope, EventId, Group, Handle, Outgoing, Partition, StreamProcessor,
    SystemClock, Timestamp, TopicName, TopicSpec,
    policy::ledger::Ledger,
    ports::{DeadLetterFilter, Settlement, TopicToCreate, Transport},
};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig,
    transport::kafka::{KafkaConfig, KafkaTransport},
};
use serde::{Deserialize, Serialize, Serializer, ser};

const PARTITIONS: u32 = 4;
const GROUP: &str = "pandaflow.paper.till";

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "sale", version = 1, key = "{till}")]
struct Sale {
    till: String,
    number: u64,
    then: Then,
}

/// What its handler is to do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Then {
    Succeed,
    Filter,
    /// So many times, before it succeeds.
    Fail(u32),
    Panic(u32),
    Hang(u32),
    /// At once and for good.
    Poison,
    /// Makes a state that can't be written.
    Spoil,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "receipt", version = 1, key = "{till}")]
struct Receipt {
    till: String,
    number: u64,
    sold: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Sold {
    count: u64,
    #[serde(serialize_with = "unless_spoilt")]
    spoilt: bool,
}

fn unless_spoilt<S: Serializer>(spoilt: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    if *spoilt { Err(ser::Error::custom("it is spoilt")) } else { serializer.serialize_bool(false) }
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
    input(topic = "sales", event = Sale),
    output(topic = "receipts", event = Receipt),
    state = Sold,
    timeout = "200ms",
    retry(attempts = 3, backoff = "2ms..10ms"),
    dedup(ttl = "24h"),
)]
struct Till;

impl Handle<Sale> for Till {
    type Error = TillError;

    async fn handle(&mut self, sale: Event<Sale>, ctx: &mut Context<Self>) -> Result<(), TillError> {
        ctx.state_mut().count += 1;
        let sold = ctx.state().count;
        ctx.emit(Receipt { till: sale.till.clone(), number: sale.number, sold });
        match sale.then {
            Then::Filter => ctx.filter(),
            Then::Fail(times) if ctx.attempt() <= times => return Err(TillError::NotNow),
            Then::Panic(times) if ctx.attempt() <= times => panic!("the drawer is stuck"),
            Then::Hang(times) if ctx.attempt() <= times => std::future::pending().await,
            Then::Poison => return Err(TillError::Never),
            Then::Spoil => ctx.state_mut().spoilt = true,
            _ => {}
        }
        Ok(())
    }
}

/// A till for each way to fail, with sales before it and behind it. What becomes of the one in the middle: a receipt, or
/// a dead letter after so many attempts, or nothing.
const TILLS: [(&str, Then, Middle); 9] = [
    ("plain", Then::Succeed, Middle::Sold),
    ("filters", Then::Filter, Middle::Nothing),
    ("fails", Then::Fail(2), Middle::Sold),
    ("panics", Then::Panic(2), Middle::Sold),
    ("hangs", Then::Hang(2), Middle::Sold),
    ("fails-on", Then::Fail(99), Middle::Dead(3)),
    ("panics-on", Then::Panic(99), Middle::Dead(3)),
    ("poison", Then::Poison, Middle::Dead(1)),
    ("spoils", Then::Spoil, Middle::Dead(1)),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Middle {
    Sold,
    Nothing,
    Dead(u32),
}

fn sales() -> Vec<Outgoing> {
    let mut sales = Vec::new();
    for (till, middle, _) in TILLS {
        for (number, then) in [(1, Then::Succeed), (2, middle), (3, Then::Succeed)] {
            let place = sales.len() as u64;
            let ts = Timestamp(1_700_000_000_000 + i64::try_from(place).unwrap());
            let sale = Sale { till: till.into(), number, then };
            let id = EventId::of_source("tills", place, ts);
            sales.push(Outgoing::root(TopicName::new("paper.sales"), id, ts, "tills", &sale).unwrap());
        }
    }
    sales
}

async fn publish(transport: &Arc<KafkaTransport>, outputs: Vec<Outgoing>) {
    let store = transport.settlement();
    let feed = store.acquire(Group::from("feed"), Partition(0), Vec::new()).await.unwrap().owner;
    store.settle(Settlement { outputs, ..Settlement::empty(feed) }).await.expect("the broker takes them");
}

async fn start(config: &KafkaConfig) -> (Arc<KafkaTransport>, Runtime) {
    let transport = support::transport(config);
    let topics = ["sales", "receipts"].map(|topic| TopicToCreate {
        topic: TopicName::new(&format!("paper.{topic}")),
        partitions: PARTITIONS,
        retention: Duration::from_secs(3600),
        table: false,
    });
    transport.create_topics(topics.to_vec()).await.expect("topics can be made");
    let program = ["sales", "receipts"]
        .into_iter()
        .fold(Program::new(), |program, topic| program.topic(TopicSpec::new(topic).partitions(PARTITIONS)))
        .namespace("paper".parse().unwrap())
        .processor(|| Till);
    let services = Services::start(&*transport, ServicesConfig::default());
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let config = RuntimeConfig { arbiters: 1, ..RuntimeConfig::default() };
    let runtime =
        Runtime::start(&program, transport.clone(), services, Arc::new(SystemClock), config, log).await;
    (transport, runtime.expect("it starts on the broker"))
}

/// The ledger once as many sales have ended.
async fn ended(transport: &Arc<KafkaTransport>, sales: u64) -> Ledger {
    support::eventually(async || {
        let ledger = transport.ledgers(vec![GROUP.into()]).await.ok()?.first()?.1;
        (ledger.consumed >= sales).then_some(ledger)
    })
    .await
}

#[actix::test]
async fn every_way_to_fail_ends_in_one_effect_or_one_dead_letter_and_each_key_keeps_its_order() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let (transport, runtime) = start(&config).await;
    let sales = sales();
    publish(&transport, sales.clone()).await;
    let all = sales.len() as u64;
    ended(&transport, all).await;
    // Each once more, under its id: none is handled again, whatever became of it.
    publish(&transport, sales).await;
    let ledger = ended(&transport, 2 * all).await;
    assert!(runtime.drain(Duration::from_secs(20)).await);
    assert!(runtime.end().await);
    let transport = support::transport(&config);

    let dead = TILLS.iter().filter(|(_, _, middle)| matches!(middle, Middle::Dead(_))).count() as u64;
    let expected = Ledger {
        consumed: 2 * all,
        succeeded: all - 1 - dead,
        filtered: 1,
        dead_lettered: dead,
        duplicate: all,
        ..Ledger::default()
    };
    assert_eq!(ledger, expected);

    let mut receipts: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    for record in support::read_all(&transport, "paper.receipts").await {
        let value = record.value.unwrap();
        let receipt = EventEnvelope::<Receipt>::decode(&value).unwrap().data;
        receipts.entry(receipt.till).or_default().push((receipt.number, receipt.sold));
    }
    let letters = transport.dead_letters().list(DeadLetterFilter::default()).await.unwrap();
    for (till, _, middle) in TILLS {
        // A sale that nothing came of changes no state.
        let expected: &[(u64, u64)] =
            if middle == Middle::Sold { &[(1, 1), (2, 2), (3, 3)] } else { &[(1, 1), (3, 2)] };
        assert_eq!(receipts[till], expected, "receipts of {till}");
        let of_till =
            letters.iter().filter(|letter| letter.letter.record.key.as_deref() == Some(till.as_bytes()));
        let attempts: Vec<u32> = of_till.map(|letter| letter.letter.attempts).collect();
        let expected = if let Middle::Dead(attempts) = middle { vec![attempts] } else { Vec::new() };
        assert_eq!(attempts, expected, "dead letters of {till}");
    }
}
