//! Programs that don't fit together are refused before anything runs, with all that is wrong in one message.

use std::sync::Arc;

use pandaflow::{Context, Event, Handle, StreamProcessor, SystemClock, TopicName, TopicSpec};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig, transport::memory::MemoryTransport,
};

use crate::support::*;

async fn refusal(program: Program) -> String {
    let transport = MemoryTransport::new(Arc::new(SystemClock));
    let services = Services::start(&transport, ServicesConfig::default());
    let config = RuntimeConfig { arbiters: 0, blocked_arbiter_after: None, ..RuntimeConfig::default() };
    let started = Runtime::start(
        &program,
        Arc::new(transport.clone()),
        services,
        Arc::new(SystemClock),
        config,
        slog_scope::logger(),
    );
    let refusal = started.await.err().expect("it is refused").to_string();
    assert!(transport.records(&program.topic_name("jobs", &namespace("paper"))).is_empty());
    refusal
}

fn workers(count: usize) -> Program {
    let program = Program::new().namespace(namespace("paper"));
    (0..count).fold(program, |program, _| program.processor(|| Worker(Journal::default())))
}

#[actix::test]
async fn two_processors_of_one_name_are_refused() {
    let refusal = refusal(workers(2)).await;
    assert!(refusal.contains("two processors are called worker"), "{refusal}");
}

#[actix::test]
async fn a_namespace_named_twice_is_refused() {
    let refusal = refusal(workers(1).namespace(namespace("paper"))).await;
    assert!(refusal.contains("namespace paper is named twice"), "{refusal}");
}

#[actix::test]
async fn a_program_without_a_namespace_is_refused() {
    let refusal = refusal(Program::new().processor(|| Worker(Journal::default()))).await;
    assert!(refusal.contains("no namespace to run in"), "{refusal}");
}

#[actix::test]
async fn a_topic_described_twice_or_without_partitions_is_refused() {
    let program = workers(1).topic(TopicSpec::new("jobs").partitions(3)).topic(TopicSpec::new("jobs"));
    let twice = refusal(program).await;
    assert!(twice.contains("topic jobs is described twice"), "{twice}");
    let none = refusal(workers(1).topic(TopicSpec::new("jobs").partitions(0))).await;
    assert!(none.contains("topic jobs has no partitions"), "{none}");
}

#[actix::test]
async fn a_topic_of_another_namespace_is_refused() {
    let called = |declared: &str, name: &str| workers(1).topic_called(declared, TopicName::new(name));
    for (declared, name) in [("jobs", "zerodha.jobs"), ("jobs", "zerodha.done"), ("done", "zerodha.done")] {
        let refusal = refusal(called(declared, name)).await;
        let told = format!("worker runs in paper and uses {declared} under the name {name}, which is ");
        assert!(refusal.contains(&told) && refusal.contains("of the namespace zerodha"), "{refusal}");
    }
    let several = called("done", "all.over").namespace(namespace("zerodha"));
    let refusal = refusal(several).await;
    assert!(
        refusal.contains("worker emits to done, which is called all.over in every namespace")
            && refusal.contains("what paper and zerodha decide would lie in one topic"),
        "{refusal}"
    );
}

#[actix::test]
async fn a_namespace_that_is_a_shared_domain_as_well_is_refused() {
    let refusal = refusal(workers(1).namespace(namespace("market")).shared_domain("market")).await;
    assert!(refusal.contains("market is a namespace and a domain that all namespaces share"), "{refusal}");
}

#[derive(StreamProcessor)]
#[processor(
    name = "joiner",
    input(topic = "jobs", event = Job),
    input(topic = "done", event = Done),
    output(topic = "market.prices", event = Done),
)]
struct Joiner;

impl Handle<Job> for Joiner {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, _: Event<Job>, _: &mut Context<Self>) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Handle<Done> for Joiner {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, _: Event<Done>, _: &mut Context<Self>) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[actix::test]
async fn unequal_partitions_and_an_output_to_a_shared_domain_are_refused_in_one_message() {
    let program = Program::new()
        .namespace(namespace("paper"))
        .processor(|| Joiner)
        .shared_domain("market")
        .topic(TopicSpec::new("jobs").partitions(3));
    let refusal = refusal(program).await;
    for part in ["jobs has 3, done has 6", "joiner emits to market.prices, which all namespaces share"] {
        assert!(refusal.contains(part), "{refusal}");
    }
}
