//! What goes wrong with a consumer and does not end it: one that the broker has thrown out for good is made anew, and one that is
//! alive and gets nothing is found.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use pandaflow::{
    Context, Event, EventId, Handle, Outgoing, StreamProcessor, Timestamp, TopicName, TopicSpec,
    settings::Settings,
};
use pandaflow_actors::Program;
use pandaflow_tests::{Outside, PATIENCE, Running, given};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const GROUP: &str = "pandaflow.paper.reader";

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(type = "page", version = 1, key = "{book}")]
struct Page {
    book: String,
    text: String,
}

#[derive(StreamProcessor)]
#[processor(name = "reader", input(topic = "pages.written", event = Page), state = u64)]
struct Reader;

impl Handle<Page> for Reader {
    type Error = Infallible;

    async fn handle(&mut self, _: Event<Page>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        *ctx.state_mut() += 1;
        Ok(())
    }
}

fn program() -> Program {
    Program::new()
        .topic(TopicSpec::new("pages.written").partitions(1))
        .namespace("paper".parse().unwrap())
        .processor(|| Reader)
}

struct Scene {
    servers: String,
    prefix: String,
    outside: Outside,
    running: Running,
}

async fn scene(more: &[(&str, &str)]) -> Option<Scene> {
    let (servers, redis) = (given("PANDAFLOW_TEST_KAFKA")?, given("PANDAFLOW_TEST_REDIS")?);
    let prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
    let mut variables = vec![
        ("KAFKA__BOOTSTRAP_SERVERS", servers.as_str()),
        ("KAFKA__PREFIX", &prefix),
        ("REDIS__URL", &redis),
        ("API__BIND", "127.0.0.1:0"),
        ("HEALTH__CHECK_INTERVAL", "500ms"),
        ("HEALTH__TIMEOUT", "500ms"),
    ];
    variables.extend(more);
    let settings = Settings::load(variables, "").unwrap();
    let outside = Outside::reach(&settings).await;
    outside.make("paper.pages.written", 1).await;
    let running = Running::start(&settings, program).unwrap();
    Some(Scene { servers, prefix, outside, running })
}

fn pages(numbers: std::ops::Range<u64>, length: usize) -> Vec<Outgoing> {
    let ts = Timestamp(1_700_000_000_000);
    let page = |number| {
        let page = Page { book: "one".into(), text: "x".repeat(length) };
        let id = EventId::of_source("author", number, ts);
        Outgoing::root(TopicName::new("paper.pages.written"), id, ts, "author", &page).unwrap()
    };
    numbers.map(page).collect()
}

fn check<'a>(report: &'a Value, component: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["component"] == component).unwrap_or(&Value::Null)
}

/// The broker holds back what it has until there is a megabyte of it, so that a client that is well gets nothing.
#[actix::test]
async fn a_consumer_that_is_alive_and_gets_nothing_is_found_and_so_is_that_it_moves_again() {
    let hold = [
        ("HEALTH__STALL_AFTER", "3s"),
        ("KAFKA__COMPRESSION", "none"),
        ("KAFKA__PROPERTY__FETCH_MIN_BYTES", "900000"),
        ("KAFKA__PROPERTY__FETCH_WAIT_MAX_MS", "120000"),
        ("KAFKA__PROPERTY__SOCKET_TIMEOUT_MS", "200000"),
    ];
    let Some(scene) = scene(&hold).await else { return };
    let report = scene.running.health_becomes("/health/ready", 200);
    assert!(check(&report, &format!("source:{GROUP}"))["status"] != "failing", "{report}");

    scene.outside.publish(pages(0..10, 10)).await;
    let report = scene.running.health_becomes("/health/live", 503);
    let stalled = check(&report, "progress:paper.reader");
    assert_eq!(stalled["status"], "failing", "{report}");
    assert!(stalled["message"].as_str().unwrap().contains("at a lag of 10"), "{stalled}");
    assert_eq!(scene.running.get("/health/ready").0, 503);
    assert_eq!(check(&report, &format!("source:{GROUP}"))["status"], "healthy", "its thread turns: {report}");

    scene.outside.publish(pages(10..11, 2_000_000)).await;
    let ledger = scene.outside.settled(GROUP, 11).await;
    assert_eq!(ledger.succeeded, 11);
    scene.running.health_becomes("/health/live", 200);
    scene.running.health_becomes("/health/ready", 200);
    assert!(scene.running.end());
}

/// Another member under the same static name fences ours: a fatal error of the client, after which it does nothing any more.
#[actix::test]
async fn a_client_that_the_broker_has_thrown_out_for_good_is_made_anew() {
    let name = [
        ("KAFKA__INSTANCE_ID", "reader-1"),
        ("KAFKA__SESSION_TIMEOUT", "6s"),
        ("KAFKA__HEARTBEAT_INTERVAL", "500ms"),
    ];
    let Some(scene) = scene(&name).await else { return };
    scene.outside.publish(pages(0..10, 10)).await;
    scene.outside.settled(GROUP, 10).await;
    for round in 1..=2 {
        fence(&scene).await;
        scene.outside.publish(pages(round * 10..(round + 1) * 10, 10)).await;
        let ledger = scene.outside.settled(GROUP, (round + 1) * 10).await;
        // One that had gone into the state when the client was thrown out is found there, and not applied again.
        assert_eq!(ledger.succeeded + ledger.duplicate, (round + 1) * 10, "{ledger:?}");
    }
    scene.running.health_becomes("/health/ready", 200);
    let states = scene.outside.transport().states().scan(GROUP.into()).await.unwrap();
    let counted: u64 = pandaflow_actors::decode_state(&states[0].0, 1, &states[0].1).unwrap();
    assert_eq!(counted, 30, "each once");
    assert!(scene.running.end());
}

/// Joins the group under our member's name until it has been given the partition, then goes without a word, as a static member does.
async fn fence(scene: &Scene) {
    let other: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &scene.servers)
        .set("group.id", format!("{}{GROUP}", scene.prefix))
        .set("group.instance.id", "reader-1")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "6000")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    other.subscribe(&[&format!("{}paper.pages.written", scene.prefix)]).unwrap();
    let begun = Instant::now();
    while other.assignment().unwrap().count() == 0 {
        assert!(begun.elapsed() < PATIENCE, "the other member is given nothing");
        // Ours is made anew at once, and may throw this one out before it has looked.
        if other.client().fatal_error().is_some() {
            return;
        }
        let _ = other.poll(Duration::from_millis(50));
    }
}
