//! Parked keys on a real broker: they lie in the group's changelog, and processes that are killed lose none and do nothing twice.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

#[path = "kafka_support/child.rs"]
mod child;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use pandaflow::{
    Classify, Context, Event, EventId, Group, Guarantee, Handle, Outgoing, Partition, StreamProcessor,
    SystemClock, Timestamp, TopicName, TopicSpec,
    codec::{Decode, EnvelopeFormat},
    policy::ledger::Ledger,
    ports::{Settlement, TopicToCreate, Transport},
};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig,
    transport::kafka::{KafkaConfig, KafkaTransport},
};
use serde::{Deserialize, Serialize};

const PARTITIONS: u32 = 4;
const KEYS: u64 = 40;
const ERRANDS: u64 = 2_000;
/// How long a failed errand waits, parked: the limit in place is shorter.
const WAIT: Duration = Duration::from_millis(200);
/// The variable that tells a child its guarantee.
const GUARANTEE: &str = "PANDAFLOW_TEST_KAFKA_GUARANTEE";
/// What a child process runs.
const CHILD: &str = "runs_as_a_child_until_it_is_killed";

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "errand", version = 1, key = "{key}")]
struct Errand {
    key: String,
    no: u64,
    fails: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "receipt", version = 1, key = "{key}")]
struct Receipt {
    key: String,
    no: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Done {
    done: Vec<u64>,
}

#[derive(Debug, thiserror::Error, Classify)]
#[error("come back later")]
#[class(rate_limit, retry_after = after)]
struct Later {
    after: Duration,
}

#[derive(StreamProcessor)]
#[processor(
    name = "errands",
    input(topic = "errands", event = Errand),
    output(topic = "receipts", event = Receipt),
    state = Done,
    retry(in_place = "1ms", backoff = "1ms..1ms")
)]
struct Errands;

impl Handle<Errand> for Errands {
    type Error = Later;

    async fn handle(&mut self, errand: Event<Errand>, ctx: &mut Context<Self>) -> Result<(), Later> {
        let Errand { key, no, fails } = errand.data;
        ctx.state_mut().done.push(no);
        ctx.emit(Receipt { key, no });
        if ctx.attempt() <= fails { Err(Later { after: WAIT }) } else { Ok(()) }
    }
}

fn program() -> Program {
    ["errands", "receipts"]
        .into_iter()
        .fold(Program::new(), |program, topic| program.topic(TopicSpec::new(topic).partitions(PARTITIONS)))
        .namespace("paper".parse().unwrap())
        .processor(|| Errands)
}

fn group() -> Group {
    Group::from("pandaflow.paper.errands")
}

async fn run(transport: Arc<KafkaTransport>) -> Runtime {
    let services = Services::start(&*transport, ServicesConfig::default());
    let config = RuntimeConfig { arbiters: 1, settle_events: 20, ..RuntimeConfig::default() };
    let log = slog::Logger::root(slog::Discard, slog::o!());
    Runtime::start(&program(), transport, services, Arc::new(SystemClock), config, log).await.unwrap()
}

/// No test by itself: what the others start and kill.
#[actix::test]
async fn runs_as_a_child_until_it_is_killed() {
    let (Ok(prefix), Some(broker)) = (std::env::var(child::PREFIX), support::broker()) else { return };
    let declared = std::env::var(GUARANTEE).unwrap();
    let both = [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce];
    let guarantee = both.into_iter().find(|guarantee| guarantee.as_str() == declared).unwrap();
    let config = KafkaConfig { prefix, guarantee, ..child::impatient(support::config(&broker)) };
    let _runtime = run(support::transport(&config)).await;
    std::future::pending::<()>().await;
}

/// Errands of a tenth of the keys fail twice each.
fn errand(place: u64) -> Errand {
    let key = place % KEYS;
    Errand {
        key: format!("key-{key}"),
        no: place / KEYS,
        fails: if key % 10 == 3 && (place / KEYS).is_multiple_of(8) { 2 } else { 0 },
    }
}

async fn publish(transport: &KafkaTransport) {
    let topics = ["paper.errands", "paper.receipts"].map(|topic| TopicToCreate {
        topic: TopicName::new(topic),
        partitions: PARTITIONS,
        retention: Duration::from_secs(3600),
        table: false,
    });
    transport.create_topics(topics.to_vec()).await.unwrap();
    let outputs = (0..ERRANDS).map(|place| {
        let ts = Timestamp(1_700_000_000_000 + i64::try_from(place).unwrap());
        let id = EventId::of_source("errands", place, ts);
        Outgoing::root(TopicName::new("paper.errands"), id, ts, "test", &errand(place)).unwrap()
    });
    let store = transport.settlement();
    let owner = store.acquire(Group::from("feed"), Partition(0), Vec::new()).await.unwrap().owner;
    store.settle(Settlement { outputs: outputs.collect(), ..Settlement::empty(owner) }).await.unwrap();
}

async fn ledger(transport: &KafkaTransport) -> Option<Ledger> {
    Some(transport.ledgers(vec![group()]).await.ok()?[0].1)
}

async fn killed_processes_keep_what_is_parked(guarantee: Guarantee) {
    let Some(broker) = support::broker() else { return };
    let config = KafkaConfig { guarantee, ..child::impatient(support::config(&broker)) };
    let looks = support::transport(&config);
    publish(&looks).await;
    let start = || child::start_with(CHILD, &config.prefix, &[(GUARANTEE, guarantee.as_str())]);
    let mut seen = 0;
    for kill in 1..=5 {
        let mut life = start();
        // While keys are parked, at another place each time.
        seen = support::eventually(async || {
            let now = ledger(&looks).await?;
            let ended = now.ended() - now.parked;
            (now.parked > 0 && ended > seen + kill * 17 || now.consumed == ERRANDS && now.parked < 100)
                .then_some(ended)
        })
        .await;
        life.kill().unwrap();
        life.wait().unwrap();
    }
    let last = run(support::transport(&config)).await;
    support::eventually(async || {
        let now = ledger(&looks).await?;
        let behind = looks.lag(vec![group()]).await.ok()?;
        let done = behind.len() == PARTITIONS as usize && behind.iter().all(|lag| lag.records() == 0);
        (done && now.parked == 0 && now.ended() >= ERRANDS).then_some(())
    })
    .await;
    assert!(last.drain(Duration::from_secs(20)).await);
    last.end().await;
    let ledger = ledger(&looks).await.unwrap();
    println!("{guarantee:?}: {ledger:?}");
    assert_eq!((ledger.consumed, ledger.succeeded + ledger.duplicate), (ERRANDS, ERRANDS), "{ledger:?}");
    if guarantee == Guarantee::ExactlyOnce {
        assert_eq!(ledger.duplicate, 0);
    }

    let states = looks.states().scan(group()).await.unwrap();
    assert_eq!(states.len() as u64, KEYS);
    for (key, state) in &states {
        let Done { done } = pandaflow_actors::decode_state(key, 1, state).unwrap();
        assert_eq!(done, (0..ERRANDS / KEYS).collect::<Vec<_>>(), "{key:?}: each once, in order");
    }
    // A step behind finds what is there twice by its id; the order is that of the first of each.
    let mut ids = BTreeSet::new();
    let mut receipts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in support::read_all(&looks, "paper.receipts").await {
        let event =
            <EnvelopeFormat as Decode<Receipt>>::decode(&record, record.value.as_ref().unwrap()).unwrap();
        let is_new = ids.insert(event.meta.id);
        assert!(is_new || guarantee == Guarantee::AtLeastOnce, "{event:?} is there twice");
        if is_new {
            receipts.entry(event.data.key).or_default().push(event.data.no);
        }
    }
    assert_eq!(ids.len() as u64, ERRANDS);
    for (key, numbers) in receipts {
        assert!(numbers.is_sorted(), "receipts of {key}: {numbers:?}");
    }
}

#[actix::test]
async fn killed_processes_lose_nothing_that_is_parked_and_do_nothing_twice_at_least_once() {
    killed_processes_keep_what_is_parked(Guarantee::AtLeastOnce).await;
}

#[actix::test]
async fn killed_processes_lose_nothing_that_is_parked_and_do_nothing_twice_exactly_once() {
    killed_processes_keep_what_is_parked(Guarantee::ExactlyOnce).await;
}
