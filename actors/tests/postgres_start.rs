//! Programs on Kafka with PostgreSQL by their settings: what is chosen, and what is told when it can't be had. Real servers.
#![cfg(all(feature = "kafka", feature = "postgres"))]

#[path = "postgres_support/mod.rs"]
mod postgres;
#[path = "kafka_support/mod.rs"]
mod support;

use std::{convert::Infallible, path::Path, sync::Arc, time::Duration};

use pandaflow::{Context, Event, Handle, StreamProcessor, SystemClock, ports::Transport, settings::Settings};
use pandaflow_actors::{
    Mode, Program, Runtime, RuntimeConfig, Services, ServicesConfig,
    transport::embedded::{EmbeddedConfig, EmbeddedTransport},
};
use serde::{Deserialize, Serialize};

use self::postgres::{Schema, runtime, server};

/// Opens a program's transport, or says why not.
fn open(broker: &str, variables: &[(&str, &str)]) -> Result<Arc<dyn Transport>, String> {
    let redis = std::env::var("PANDAFLOW_TEST_REDIS").unwrap_or_default();
    let mut all = vec![
        ("KAFKA__BOOTSTRAP_SERVERS", broker),
        ("REDIS__URL", redis.as_str()),
        ("DATABASE__TIMEOUT", "5s"),
    ];
    all.extend(variables);
    let settings = Settings::load(all, "").map_err(|error| error.to_string())?;
    let program = Program::new().namespace("paper".parse().expect("it is a namespace"));
    let opened = runtime().block_on(Mode::Kafka.open(Path::new("nowhere"), &program, &settings));
    opened.map_err(|error| error.to_string())
}

fn close(transport: &Arc<dyn Transport>) {
    runtime().block_on(transport.close());
}

#[test]
fn the_settings_choose_where_settlements_are_made() {
    let (Some(broker), Some(server)) = (support::broker(), server()) else { return };
    let schema = Schema::make(&server);
    let url = schema.url();
    for (settlement, unpublished) in [("broker", None), ("database", Some(0))] {
        let variables = [("DATABASE__URL", url.as_str()), ("DATABASE__SETTLEMENT", settlement)];
        let transport = open(&broker, &variables).expect("both servers are up");
        assert_eq!(runtime().block_on(transport.unpublished()), Ok(unpublished));
        assert_eq!(transport.transactions().is_some(), unpublished.is_some());
        close(&transport);
    }
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "payment", key = "{account}")]
struct Paid {
    account: String,
}

#[derive(StreamProcessor)]
#[processor(name = "book", input(topic = "payments", event = Paid), transaction)]
struct Book;

impl Handle<Paid> for Book {
    type Error = Infallible;

    async fn handle(&mut self, _: Event<Paid>, _: &mut Context<Self>) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Starts the book on a transport, and ends it again; or says why it can't be started.
fn start_book(transport: Arc<dyn Transport>) -> Result<(), String> {
    actix::System::new().block_on(async move {
        let services = Services::start(&*transport, ServicesConfig::default());
        let program =
            Program::new().processor(|| Book).namespace("paper".parse().expect("it is a namespace"));
        let config = RuntimeConfig { arbiters: 1, ..RuntimeConfig::default() };
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let started = Runtime::start(&program, transport, services, Arc::new(SystemClock), config, log).await;
        let runtime = started.map_err(|error| error.to_string())?;
        let in_time = runtime.drain(Duration::from_secs(20)).await;
        runtime.end().await;
        if in_time { Ok(()) } else { Err("it doesn't drain".into()) }
    })
}

/// At its start and not at its first event; and nothing of it is made.
#[test]
fn a_processor_that_declares_a_transaction_is_refused_where_there_is_none() {
    let (Some(broker), Some(server)) = (support::broker(), server()) else { return };
    let schema = Schema::make(&server);
    let (url, prefix) = (schema.url(), format!("t{}-", uuid::Uuid::now_v7().simple()));
    let refused = |told: Result<(), String>| {
        let told = told.expect_err("there is no transaction to be had");
        assert!(told.contains("book") && told.contains("DATABASE__SETTLEMENT=database"), "{told}");
    };
    let with = |settlement| {
        let database = [("DATABASE__URL", url.as_str()), ("DATABASE__SETTLEMENT", settlement)];
        let transport = open(&broker, &[("KAFKA__PREFIX", prefix.as_str()), database[0], database[1]]);
        transport.expect("both servers are up")
    };
    let transport = with("broker");
    refused(start_book(Arc::clone(&transport)));
    close(&transport);
    start_book(with("database")).expect("there are transactions");

    let folder = tempfile::tempdir().expect("a folder can be made");
    let embedded = EmbeddedTransport::open(folder.path(), EmbeddedConfig::default()).expect("it is new");
    refused(start_book(Arc::new(embedded)));
}

#[test]
fn a_database_that_cannot_be_used_is_one_error_that_names_its_setting() {
    let (Some(broker), Some(server)) = (support::broker(), server()) else { return };
    let place = server.rsplit_once('@').expect("it has credentials").1;
    let nobody = format!("postgres://pandaflow:hunter2@{place}");
    for url in ["postgres://panda:hunter2@127.0.0.1:1/x", nobody.as_str()] {
        let told = open(&broker, &[("DATABASE__URL", url)]).err().expect("it is refused");
        assert!(told.starts_with("DATABASE__URL: ") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_schema_that_settles_for_another_deployment_is_refused() {
    let (Some(broker), Some(server)) = (support::broker(), server()) else { return };
    let schema = Schema::make(&server);
    let url = schema.url();
    let with = |prefix| {
        [("DATABASE__URL", url.as_str()), ("DATABASE__SETTLEMENT", "database"), ("KAFKA__PREFIX", prefix)]
    };
    close(&open(&broker, &with("one-")).expect("nobody has it"));
    close(&open(&broker, &with("one-")).expect("it is ours"));
    let told = open(&broker, &with("two-")).err().expect("it is refused");
    assert!(
        told.starts_with("DATABASE__URL: ") && told.contains("one-") && told.contains(&schema.name),
        "{told}"
    );
}

#[test]
fn an_embedded_program_takes_no_server_for_its_file() {
    let settings =
        Settings::load([("DATABASE__URL", "postgres://panda:hunter2@db/x")], "").expect("it is a server");
    let program = Program::new();
    let opened = runtime().block_on(Mode::Embedded.open(Path::new("nowhere"), &program, &settings));
    let told = opened.err().expect("it is refused").to_string();
    assert!(told.contains("DATABASE__URL") && told.contains("--mode kafka"), "{told}");
}
