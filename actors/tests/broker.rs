//! The broker's topics and what can be wrong with reaching it, on the real broker that PANDAFLOW_TEST_KAFKA names (and, for
//! passwords, the listener of PANDAFLOW_TEST_KAFKA_SASL). Without these the tests that need them are skipped.

#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    convert::Infallible,
    env,
    time::{Duration, Instant},
};

use pandaflow::{Context, Event, Handle, StreamProcessor, TopicSpec, settings::Settings};
use pandaflow_actors::{
    Program,
    broker::{Broker, BrokerError, PrepareError},
};

#[derive(serde::Serialize, serde::Deserialize, Event)]
#[event(type = "asked", key = "{0}")]
struct Asked(String);

#[derive(StreamProcessor)]
#[processor(
    name = "answerer",
    input(topic = "questions.asked", event = Asked),
    input(topic = "questions.repeated", event = Asked),
    output(topic = "answers.given", event = Asked)
)]
struct Answerer;

impl Handle<Asked> for Answerer {
    type Error = Infallible;
    async fn handle(&mut self, asked: Event<Asked>, ctx: &mut Context<Self>) -> Result<(), Infallible> {
        ctx.emit(Asked(asked.0.clone()));
        Ok(())
    }
}

/// The program in a namespace of its own, whose topics nobody else has.
fn program(namespace: &str, partitions: u32, hours: u64) -> Program {
    let spec =
        |name| TopicSpec::new(name).partitions(partitions).retention(Duration::from_secs(3600 * hours));
    Program::new()
        .processor(|| Answerer)
        .topic(spec("questions.asked"))
        .topic(spec("questions.repeated"))
        .namespace(namespace.parse().unwrap())
}

fn fresh() -> String {
    // The end of the id is what is random in it.
    format!("t{}", &uuid::Uuid::now_v7().simple().to_string()[20..])
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    Settings::load(variables.iter().copied(), "").unwrap()
}

/// The broker of the tests, if there is one.
fn test_settings(more: &[(&str, &str)]) -> Option<Settings> {
    let Ok(servers) = env::var("PANDAFLOW_TEST_KAFKA") else {
        eprintln!("skipped: PANDAFLOW_TEST_KAFKA names no broker");
        return None;
    };
    let mut variables = vec![("KAFKA__BOOTSTRAP_SERVERS", servers.as_str()), ("KAFKA__PREFIX", "plan-")];
    variables.extend(more);
    Some(settings(&variables))
}

#[tokio::test]
async fn topics_are_planned_made_and_found_as_declared() {
    let Some(settings) = test_settings(&[]) else { return };
    let namespace = fresh();
    let program = program(&namespace, 4, 24);
    let broker = Broker::connect(&settings).await.unwrap();
    let wanted = broker.wanted(&program).unwrap();

    let plan = broker.plan(&wanted).await.unwrap();
    let told: Vec<_> = plan.changes.iter().map(|change| format!("{}: {change}", change.topic())).collect();
    assert_eq!(
        told,
        [
            format!(
                "plan-pandaflow.{namespace}.answerer.changelog: create: changelog, 4 partitions, compacted"
            ),
            format!("plan-{namespace}.answers.given: create: events, 6 partitions, kept 7d"),
            format!("plan-{namespace}.questions.asked: create: events, 4 partitions, kept 1d"),
            format!("plan-{namespace}.questions.asked.dlq: create: dead letters, 2 partitions, kept 7d"),
            format!("plan-{namespace}.questions.repeated: create: events, 4 partitions, kept 1d"),
            format!("plan-{namespace}.questions.repeated.dlq: create: dead letters, 2 partitions, kept 7d"),
        ]
    );
    let check = broker.check(&program).await.unwrap();
    assert_eq!(check.problems.len(), 6, "{:#?}", check.problems);
    assert!(check.problems[2].ends_with(
        "questions.asked (events) is missing: `topics apply` makes it, as does a start with KAFKA__CREATE_TOPICS=true"
    ));

    assert_eq!(broker.apply(&plan.changes).await, Ok(Vec::new()));
    assert!(broker.left(&wanted).await.unwrap().is_settled());
    assert_eq!(broker.check(&program).await.unwrap().problems, Vec::<String>::new());
    // Carried out once more, as by somebody who started at the same time, it changes nothing.
    assert_eq!(broker.apply(&plan.changes).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_longer_retention_is_applied_and_what_others_set_on_the_topic_stays() {
    let Some(settings) = test_settings(&[]) else { return };
    let namespace = fresh();
    let broker = Broker::connect(&settings).await.unwrap();
    let before = broker.wanted(&program(&namespace, 4, 24)).unwrap();
    broker.apply(&broker.plan(&before).await.unwrap().changes).await.unwrap();
    set(
        &settings,
        &format!("plan-{namespace}.questions.asked"),
        &[("segment.ms", "60000"), ("retention.ms", "1000")],
    )
    .await;

    let wanted = broker.wanted(&program(&namespace, 4, 48)).unwrap();
    let plan = broker.plan(&wanted).await.unwrap();
    let told: Vec<_> = plan.changes.iter().map(ToString::to_string).collect();
    // What was set by hand has taken away what was set before, so the limit comes back, too.
    assert_eq!(
        told,
        [
            "raise max.message.bytes: a record may have 1048588 bytes, and is to have up to 16777216",
            "raise retention.ms: records are kept 1s, and are to be 2d",
            "raise retention.ms: records are kept 1d, and are to be 2d",
        ]
    );
    assert_eq!(broker.apply(&plan.changes).await, Ok(Vec::new()));
    assert!(broker.left(&wanted).await.unwrap().is_settled());
    assert_eq!(get(&settings, &format!("plan-{namespace}.questions.asked"), "segment.ms").await, "60000");
}

#[tokio::test]
async fn what_would_move_keys_is_refused_and_stops_a_start() {
    let Some(settings) = test_settings(&[]) else { return };
    let namespace = fresh();
    let broker = Broker::connect(&settings).await.unwrap();
    let few = program(&namespace, 2, 24);
    assert_eq!(broker.prepare(&few, &settings).await, Ok(Vec::new()));

    let many = program(&namespace, 8, 24);
    let plan = broker.plan(&broker.wanted(&many).unwrap()).await.unwrap();
    assert_eq!(plan.refusals.len(), 3, "two inputs and the changelog: {:#?}", plan.refusals);
    // Dead letters have no order: theirs are added.
    assert_eq!(
        plan.changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["add partitions: from 1 to 4"; 2]
    );
    let error = broker.prepare(&many, &settings).await.unwrap_err().to_string();
    let first =
        format!("plan-{namespace}.questions.asked has 2 partitions and 8 are declared; more would move keys");
    assert!(error.lines().any(|line| line.starts_with(&first)), "{error}");
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[tokio::test]
async fn inputs_that_are_not_co_partitioned_are_told_together_with_all_else() {
    let Some(settings) = test_settings(&[]) else { return };
    let namespace = fresh();
    let broker = Broker::connect(&settings).await.unwrap();
    let first = broker.wanted(&program(&namespace, 2, 24)).unwrap();
    let asked = first.iter().find(|topic| topic.name.ends_with("questions.asked")).unwrap().clone();
    broker.apply(&[pandaflow::policy::topic_plan::Change::Create(asked)]).await.unwrap();
    let second = broker.wanted(&program(&namespace, 3, 24)).unwrap();
    let repeated = second.iter().find(|topic| topic.name.ends_with("questions.repeated")).unwrap().clone();
    broker.apply(&[pandaflow::policy::topic_plan::Change::Create(repeated)]).await.unwrap();

    let problems = broker.check(&program(&namespace, 3, 24)).await.unwrap().problems;
    let together = format!(
        "the inputs of answerer in {namespace} must have equally many partitions, as events of one key must meet: \
         plan-{namespace}.questions.asked has 2, plan-{namespace}.questions.repeated has 3"
    );
    assert!(problems.contains(&together), "{problems:#?}");
    assert_eq!(problems.iter().filter(|problem| problem.contains("is missing")).count(), 4, "{problems:#?}");
}

#[tokio::test]
async fn a_missing_topic_stops_a_start_that_makes_none() {
    let Some(settings) = test_settings(&[("KAFKA__CREATE_TOPICS", "false")]) else { return };
    let broker = Broker::connect(&settings).await.unwrap();
    let error = broker.prepare(&program(&fresh(), 2, 24), &settings).await.unwrap_err();
    let PrepareError::Topics { faults } = error else { panic!("{error}") };
    assert_eq!(faults.len(), 6);
    assert!(
        faults.iter().all(|fault| fault.contains("is missing") && fault.contains("KAFKA__CREATE_TOPICS"))
    );
}

#[tokio::test]
async fn a_broker_that_cannot_be_reached_is_told_within_the_time_out() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let settings = settings(&[("KAFKA__BOOTSTRAP_SERVERS", &closed), ("KAFKA__TIMEOUT", "1s")]);
    let began = Instant::now();
    let error = Broker::connect(&settings).await.err().unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let told = error.to_string();
    let begin = format!("KAFKA__BOOTSTRAP_SERVERS: no answer from {closed} within 1s (KAFKA__TIMEOUT): ");
    assert!(told.starts_with(&begin) && told.contains("Connection refused"), "{told}");
}

#[tokio::test]
async fn a_port_where_nobody_speaks_kafka_is_told_within_the_time_out() {
    // It takes connections and says nothing, as a broker that hangs.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let settings = settings(&[("KAFKA__BOOTSTRAP_SERVERS", &address), ("KAFKA__TIMEOUT", "1s")]);
    let began = Instant::now();
    let error = Broker::connect(&settings).await.err().unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(
        error.to_string().contains(&format!("no answer from {address} within 1s (KAFKA__TIMEOUT)")),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_never_shown() {
    let Ok(servers) = env::var("PANDAFLOW_TEST_KAFKA_SASL") else {
        return eprintln!("skipped: PANDAFLOW_TEST_KAFKA_SASL names no listener");
    };
    let settings = settings(&[
        ("KAFKA__BOOTSTRAP_SERVERS", &servers),
        ("KAFKA__SECURITY_PROTOCOL", "sasl_plaintext"),
        ("KAFKA__SASL_MECHANISM", "PLAIN"),
        ("KAFKA__SASL_USERNAME", "panda"),
        ("KAFKA__SASL_PASSWORD", "hunter2"),
    ]);
    let began = Instant::now();
    let error = Broker::connect(&settings).await.err().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(
        matches!(
            &error,
            BrokerError::Reach { setting: "KAFKA__SASL_PASSWORD (or KAFKA__SASL_USERNAME)", .. }
        ),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_listener_that_wants_a_name_leads_to_the_security_protocol() {
    let Ok(servers) = env::var("PANDAFLOW_TEST_KAFKA_SASL") else {
        return eprintln!("skipped: PANDAFLOW_TEST_KAFKA_SASL names no listener");
    };
    let settings = settings(&[("KAFKA__BOOTSTRAP_SERVERS", &servers), ("KAFKA__TIMEOUT", "2s")]);
    let error = Broker::connect(&settings).await.err().unwrap().to_string();
    assert!(error.starts_with("KAFKA__SECURITY_PROTOCOL: no answer from "), "{error}");
}

/// Sets a topic's settings, as another program does.
async fn set(settings: &Settings, topic: &str, values: &[(&str, &str)]) {
    use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
    let admin: AdminClient<_> = pandaflow_actors::broker::admin_config(settings).unwrap().create().unwrap();
    let mut alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
    for (name, value) in values {
        alter = alter.set(name, value);
    }
    let altered = admin.alter_configs(&[alter], &AdminOptions::new()).await.unwrap();
    assert!(altered.iter().all(Result::is_ok), "{altered:?}");
    // It takes a moment until the broker tells what it was told.
    while get(settings, topic, values[0].0).await != values[0].1 {
        tokio::task::yield_now().await;
    }
}

/// A topic's setting, as another program reads it.
async fn get(settings: &Settings, topic: &str, name: &str) -> String {
    use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
    let admin: AdminClient<_> = pandaflow_actors::broker::admin_config(settings).unwrap().create().unwrap();
    let answer =
        admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await.unwrap();
    let resource = answer.into_iter().next().unwrap().unwrap();
    resource.get(name).unwrap().value.clone().unwrap()
}
