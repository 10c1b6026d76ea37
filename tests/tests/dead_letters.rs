//! `dead-letters --mode kafka` tells what a program on Kafka has given up on, wherever its settings keep it. Real servers.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::time::Instant;

use bytes::Bytes;
use pandaflow::{Headers, Outgoing, Timestamp, TopicName, settings::Settings};
use pandaflow_tests::{AlphaPanda, Outside, PATIENCE, Report, given};
use serde_json::Value;

struct Scene {
    program: AlphaPanda,
    /// What nobody can decode, and no other test writes.
    garbage: String,
    _home: tempfile::TempDir,
}

impl Scene {
    /// A topic with one record that can't be decoded, and no program that has read it.
    async fn set(more: &[(&str, &str)]) -> Option<Self> {
        let (servers, redis) = (given("PANDAFLOW_TEST_KAFKA")?, given("PANDAFLOW_TEST_REDIS")?);
        let prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
        let mut variables = vec![
            ("KAFKA__BOOTSTRAP_SERVERS", servers.as_str()),
            ("KAFKA__PREFIX", &prefix),
            ("REDIS__URL", &redis),
            ("API__BIND", "127.0.0.1:0"),
        ];
        variables.extend(more);
        let home = tempfile::tempdir().unwrap();
        let program =
            variables.iter().fold(AlphaPanda::on_kafka(home.path(), &[]), |program, (name, value)| {
                program.variable(name, value)
            });
        let applied = program.bare(&["topics", "apply"]).run();
        assert_eq!(applied.status.code(), Some(0), "{}", applied.stderr);
        let outside = Outside::reach(&Settings::load(variables, "").unwrap()).await;
        let garbage = format!("no tick {prefix}");
        let record = Outgoing {
            topic: TopicName::new("market.ticks"),
            timestamp: Timestamp(1_700_000_000_000),
            key: Some(Bytes::from_static(b"IBM")),
            value: Some(garbage.clone().into_bytes().into()),
            headers: Headers::default(),
        };
        outside.publish(vec![record]).await;
        outside.transport().close().await;
        Some(Self { program, garbage, _home: home })
    }

    fn ask(&self, arguments: &[&str]) -> Report {
        let arguments: Vec<&str> = ["dead-letters"].iter().chain(arguments).copied().collect();
        self.program.bare(&arguments).run()
    }

    /// The letter of the garbage, if `list` tells of it.
    fn letter(&self, options: &[&str]) -> Option<Value> {
        let arguments: Vec<&str> =
            ["list", "--mode=kafka", "--json"].iter().chain(options).copied().collect();
        let told = self.ask(&arguments);
        assert_eq!(told.status.code(), Some(0), "{}", told.stderr);
        let mut letters = told.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        letters.find(|letter| letter["value"] == self.garbage)
    }

    /// Runs the pipeline until the garbage is a dead letter, which is told of meanwhile and afterwards.
    fn gives_up_and_tells(&self) {
        assert_eq!(self.letter(&[]), None, "nobody has read it yet");
        let mut serving = self.program.command("serve").start();
        serving.until_line("\"event\":\"serving\"");
        let begun = Instant::now();
        let letter = loop {
            if let Some(letter) = self.letter(&[]) {
                break letter;
            }
            assert!(begun.elapsed() < PATIENCE, "it is no dead letter:\n{}", serving.said());
        };
        serving.kill();
        let fields = ["topic", "class", "processor", "key"].map(|field| letter[field].as_str().unwrap());
        assert_eq!(fields, ["market.ticks", "poison", "strategies", "IBM"]);
        assert_eq!(self.letter(&["--processor=strategies", "--class=poison"]).as_ref(), Some(&letter));
        assert_eq!(self.letter(&["--processor=portfolio"]), None);

        let id = letter["id"].to_string();
        let shown = self.ask(&["show", &id, "--mode=kafka", "--json"]);
        assert_eq!(serde_json::from_str::<Value>(&shown.stdout).unwrap(), letter);
        let text = self.ask(&["show", &id, "--mode=kafka"]);
        assert!(text.stdout.contains(&format!("value: {}", self.garbage)), "{}", text.stdout);
        let unknown = self.ask(&["show", "--mode=kafka", "9223372036854775807"]);
        assert_eq!(unknown.status.code(), Some(2));
        assert!(unknown.stderr.contains("there is no dead letter 9223372036854775807"), "{}", unknown.stderr);
    }
}

#[actix::test]
async fn dead_letters_on_topics_are_told_while_the_program_runs_and_afterwards() {
    let Some(scene) = Scene::set(&[]).await else { return };
    scene.gives_up_and_tells();
}

#[actix::test]
async fn dead_letters_in_postgres_are_told_from_there_and_lie_on_no_topic() {
    let Some(postgres) = given("PANDAFLOW_TEST_POSTGRES") else { return };
    let Some(mut scene) = Scene::set(&[("DATABASE__URL", &postgres)]).await else { return };
    scene.gives_up_and_tells();
    scene.program = scene.program.variable("DATABASE__URL", "sqlite:nowhere");
    assert_eq!(scene.letter(&[]), None);
}

#[test]
fn what_cannot_be_reached_is_one_error_that_names_its_setting() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    let nowhere = format!("postgres://panda:hunter2@{closed}/x");
    let program = AlphaPanda::on_kafka(home.path(), &[])
        .variable("KAFKA__BOOTSTRAP_SERVERS", &closed)
        .variable("KAFKA__TIMEOUT", "1s")
        .variable("DATABASE__TIMEOUT", "2s");
    let refused = |program: &AlphaPanda, arguments: &[&str], setting: &str| {
        let told = program.bare(arguments).run();
        assert_eq!(told.status.code(), Some(2), "{}", told.stderr);
        assert!(told.stderr.contains(setting) && !told.stderr.contains("hunter2"), "{}", told.stderr);
    };
    let list = ["dead-letters", "list", "--mode=kafka"];
    refused(&program, &list, "KAFKA__BOOTSTRAP_SERVERS");
    refused(&program.clone().variable("DATABASE__URL", &nowhere), &list, "DATABASE__URL");
    refused(
        &program,
        &["dead-letters", "list", "--mode=kafka", "--data=x"],
        "--data goes with --mode embedded",
    );
    refused(&program.variable("DATABASE__URL", &nowhere), &["dead-letters", "list"], "--mode kafka");
}
