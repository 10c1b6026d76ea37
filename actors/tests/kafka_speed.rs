//! How fast events go through a processor on a real broker. Run it by itself, in release.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/mod.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use pandaflow::{
    Context, Event, EventId, Group, Handle, Outgoing, Partition, StreamProcessor, SystemClock, Timestamp,
    TopicName, TopicSpec,
    ports::{Settlement, TopicToCreate, Transport},
};
use pandaflow_actors::{Program, Runtime, RuntimeConfig, Services, ServicesConfig};
use serde::{Deserialize, Serialize};

const EVENTS: u64 = 500_000;
const PARTITIONS: u32 = 6;

#[derive(Serialize, Deserialize, Event)]
#[event(type = "tick", version = 1, key = "{name}")]
struct Tick {
    name: String,
    price: i64,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "tock", version = 1, key = "{name}")]
struct Tock {
    name: String,
    price: i64,
}

#[derive(StreamProcessor)]
#[processor(name = "taker", input(topic = "ticks", event = Tick))]
struct Taker(Arc<AtomicU64>);

impl Handle<Tick> for Taker {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, _: Event<Tick>, _: &mut Context<Self>) -> Result<(), Self::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[derive(StreamProcessor)]
#[processor(name = "turner", input(topic = "ticks", event = Tick), output(topic = "tocks", event = Tock))]
struct Turner(Arc<AtomicU64>);

impl Handle<Tick> for Turner {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, tick: Event<Tick>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        ctx.emit(Tock { name: tick.name.clone(), price: tick.price });
        Ok(())
    }
}

async fn fill(transport: &dyn Transport) {
    let topics = ["paper.ticks", "paper.tocks"].map(|topic| TopicToCreate {
        topic: TopicName::new(topic),
        partitions: PARTITIONS,
        retention: Duration::from_secs(3600),
        table: false,
    });
    transport.create_topics(topics.to_vec()).await.unwrap();
    let store = transport.settlement();
    let owner = store.acquire(Group::from("feed"), Partition(0), Vec::new()).await.unwrap().owner;
    for lot in 0..EVENTS / 10_000 {
        let event = |place: u64| {
            let tick = Tick { name: format!("name-{}", place % 10_000), price: place as i64 };
            let ts = Timestamp(1_700_000_000_000);
            Outgoing::root(
                TopicName::new("paper.ticks"),
                EventId::of_source("feed", place, ts),
                ts,
                "feed",
                &tick,
            )
        };
        let settlement = Settlement {
            outputs: (lot * 10_000..(lot + 1) * 10_000).map(|place| event(place).unwrap()).collect(),
            ..Settlement::empty(owner.clone())
        };
        store.settle(settlement).await.unwrap();
    }
}

async fn measure(name: &str, program: Program, transport: Arc<dyn Transport>) {
    let services = Services::start(&*transport, ServicesConfig::default());
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let config = RuntimeConfig::default();
    let began = Instant::now();
    let runtime = Runtime::start(&program, transport, services, Arc::new(SystemClock), config, log);
    let runtime = runtime.await.unwrap();
    support::eventually(async || runtime.is_idle().await.ok()?.then_some(())).await;
    let took = began.elapsed().as_secs_f64();
    println!("{name}: {EVENTS} events in {took:.2} s, {:.0} a second", EVENTS as f64 / took);
    assert!(runtime.drain(Duration::from_secs(20)).await);
    runtime.end().await;
}

#[actix::test]
#[ignore = "a measurement: run it by itself, in release"]
async fn events_a_second() {
    let Some(broker) = support::broker() else { return };
    let config = support::config(&broker);
    let transport = support::transport(&config);
    let began = Instant::now();
    fill(&*transport).await;
    println!("filled in {:.2} s", began.elapsed().as_secs_f64());
    transport.close().await;
    let count = Arc::new(AtomicU64::new(0));
    let program = || {
        Program::new()
            .topic(TopicSpec::new("ticks").partitions(PARTITIONS))
            .topic(TopicSpec::new("tocks").partitions(PARTITIONS))
            .namespace("paper".parse().unwrap())
    };
    let counted = count.clone();
    let taker = program().processor(move || Taker(counted.clone()));
    measure("consume", taker, support::transport(&config)).await;
    let counted = count.clone();
    let turner = program().processor(move || Turner(counted.clone()));
    measure("transform", turner, support::transport(&config)).await;
    assert_eq!(count.load(Ordering::Relaxed), EVENTS * 2);
}
