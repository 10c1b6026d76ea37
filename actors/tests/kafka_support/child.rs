//! Child processes that a test starts to kill or to stop them.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::process::{Child, Command, Stdio};

use pandaflow_actors::transport::kafka::KafkaConfig;

/// The variable that tells a child the prefix of its names.
pub(crate) const PREFIX: &str = "PANDAFLOW_TEST_KAFKA_CHILD";

/// Starts this program again, to run one test: what it does as a child.
pub(crate) fn start(test: &str, prefix: &str) -> Child {
    start_with(test, prefix, &[])
}

/// The same, with variables beside.
pub(crate) fn start_with(test: &str, prefix: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().expect("a program has a path"))
        .args(["--exact", test, "--nocapture"])
        .env(PREFIX, prefix)
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// Sends a signal, named as `kill` takes it.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.expect("there is a command kill").success());
}

/// A killed member is missed soon.
pub(crate) fn impatient(mut config: KafkaConfig) -> KafkaConfig {
    config.properties.insert("session.timeout.ms".into(), "1000".into());
    config.properties.insert("heartbeat.interval.ms".into(), "200".into());
    config
}
