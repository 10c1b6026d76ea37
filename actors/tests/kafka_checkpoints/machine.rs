//! A machine with a folder for checkpoints, on which processes begin and end, and what they settle in a group's state.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use pandaflow::{
    TopicName,
    ports::{Owner, Restored, Settlement, StateChange, Transport},
};
use pandaflow_actors::{
    testkit::contract::{Stage, Subject},
    transport::kafka::{CheckpointConfig, KafkaConfig, KafkaTransport},
};
use tempfile::TempDir;

use super::support;

pub(crate) const GROUP: &str = "g";
pub(crate) const CHANGELOG: &str = "g.changelog";

struct Open(Arc<KafkaTransport>);

impl Subject for Open {
    fn transport(&self) -> Arc<dyn Transport> {
        self.0.clone()
    }
}

pub(crate) struct Machine {
    pub(crate) broker: String,
    pub(crate) folder: TempDir,
    /// Of processes that have no folder.
    pub(crate) plain: KafkaConfig,
}

impl Machine {
    /// Nothing if there is no broker.
    pub(crate) fn new() -> Option<Self> {
        let broker = support::broker()?;
        let plain = support::config(&broker);
        Some(Self { folder: tempfile::tempdir().unwrap(), plain, broker })
    }

    /// Settings of processes that share the folder. They write when they begin and when they end.
    pub(crate) fn config(&self) -> KafkaConfig {
        self.config_every(Duration::from_secs(60))
    }

    /// Settings of processes that write so often.
    pub(crate) fn config_every(&self, interval: Duration) -> KafkaConfig {
        // However slow the disk is.
        let at_end = Duration::from_secs(60);
        let checkpoints = CheckpointConfig { interval, at_end, ..CheckpointConfig::new(self.folder.path()) };
        KafkaConfig { checkpoints: Some(checkpoints), ..self.plain.clone() }
    }

    /// A process with the folder.
    pub(crate) fn process(&self) -> Process {
        Process::with(&self.config())
    }

    /// A process that reads the log from its beginning.
    pub(crate) fn elsewhere(&self) -> Process {
        Process::with(&self.plain)
    }

    pub(crate) fn on_broker(&self, topic: &str) -> String {
        format!("{}{topic}", self.plain.prefix)
    }

    pub(crate) fn file(&self, topic: &str, partition: u32) -> PathBuf {
        self.folder.path().join(self.on_broker(topic)).join(format!("{partition}.db"))
    }

    /// In one life.
    pub(crate) async fn settle_500_states(&self) {
        let process = self.process();
        process.stage.topic("paper.in", 1).await;
        let owner = process.acquire().await;
        process.settle(&owner, states(0..500, "first")).await;
        process.end().await;
        assert!(self.file(CHANGELOG, 0).is_file(), "a checkpoint was written");
    }

    /// The group's state as the log alone has it.
    pub(crate) async fn truth(&self) -> BTreeMap<Bytes, Bytes> {
        let process = self.elsewhere();
        let states = process.stage.scan(GROUP).await.into_iter().collect();
        process.end().await;
        states
    }
}

pub(crate) struct Process {
    pub(crate) stage: Stage,
}

impl Process {
    pub(crate) fn with(config: &KafkaConfig) -> Self {
        Self { stage: Stage::of(Open(support::transport(config))) }
    }

    /// Becomes the owner of the group's first partition.
    pub(crate) async fn acquire(&self) -> Owner {
        self.stage.acquire(GROUP, 0, &[]).await.owner
    }

    /// What it has read so far to bring back state and tables, from checkpoints and from logs.
    pub(crate) fn read(&self) -> (u64, u64) {
        let Restored { from_checkpoint, from_log } = self.stage.transport().restored();
        (from_checkpoint, from_log)
    }

    /// The states that its owner has of these keys.
    pub(crate) async fn states<'a>(&self, keys: impl Iterator<Item = &'a Bytes>) -> BTreeMap<Bytes, Bytes> {
        let keys: Vec<Bytes> = keys.cloned().collect();
        let states = self.stage.transport().states();
        let loaded = states.load(GROUP.into(), pandaflow::Partition(0), keys.clone()).await.unwrap();
        keys.into_iter().zip(loaded).filter_map(|(key, state)| Some((key, state?))).collect()
    }

    /// That its owner has the states that the log has, and no others of these keys.
    pub(crate) async fn assert_has_the_truth(&self, machine: &Machine, others: &[Bytes]) {
        let truth = machine.truth().await;
        assert_eq!(self.states(truth.keys().chain(others)).await, truth);
    }

    /// Ends in order.
    pub(crate) async fn end(self) {
        self.stage.transport().close().await;
    }

    /// Settles these states, a thousand at once.
    pub(crate) async fn settle(&self, owner: &Owner, states: Vec<StateChange>) {
        for states in states.chunks(1000) {
            let states = states.to_vec();
            self.stage.settle(Settlement { states, ..Settlement::empty(owner.clone()) }).await;
        }
    }
}

pub(crate) fn key(number: u64) -> Bytes {
    format!("account-{number}").into()
}

/// These keys with a value that names it.
pub(crate) fn states(keys: std::ops::Range<u64>, value: &str) -> Vec<StateChange> {
    let state = |number| StateChange::new(key(number), Some(format!("{value}-{number}").into()));
    keys.map(state).collect()
}

pub(crate) fn removal(number: u64) -> StateChange {
    StateChange::new(key(number), None)
}

/// A machine on which 500 states were settled in a life that has ended.
pub(crate) async fn with_500_states() -> Option<Machine> {
    let machine = Machine::new()?;
    machine.settle_500_states().await;
    Some(machine)
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::new(name)
}
