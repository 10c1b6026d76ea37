//! Processes that are killed while they write a checkpoint. Apart from the other tests of checkpoints, which it would starve.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

#[path = "kafka_support/admin.rs"]
mod admin;
#[path = "kafka_support/child.rs"]
mod child;
#[path = "kafka_checkpoints/machine.rs"]
mod machine;
#[path = "kafka_support/mod.rs"]
mod support;

use std::{fs, path::PathBuf, time::Duration};

use pandaflow_actors::transport::kafka::{CheckpointConfig, KafkaConfig};

use self::{
    admin::Admin,
    machine::{CHANGELOG, GROUP, Machine, Process, key, states},
};

/// Where a child keeps its checkpoints, by the prefix that it was told.
fn folder(prefix: &str) -> PathBuf {
    std::env::temp_dir().join(format!("pandaflow-{prefix}"))
}

fn config(broker: &str, prefix: String) -> KafkaConfig {
    let interval = Duration::from_millis(20);
    let checkpoints = CheckpointConfig { interval, ..CheckpointConfig::new(folder(&prefix)) };
    KafkaConfig { checkpoints: Some(checkpoints), prefix, ..support::config(broker) }
}

/// No test by itself: what the other one starts and kills.
#[tokio::test]
async fn settles_as_a_child_until_it_is_killed() {
    let (Ok(prefix), Some(broker)) = (std::env::var(child::PREFIX), support::broker()) else { return };
    let process = Process::with(&config(&broker, prefix));
    let owner = process.acquire().await;
    for round in 0_u64.. {
        let first = round * 500 % 4000;
        process.settle(&owner, states(first..first + 1000, &format!("{round}"))).await;
    }
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_writes_leaves_a_file_that_is_right_or_none() {
    let Some(machine) = Machine::new() else { return };
    let prefix = machine.plain.prefix.clone();
    let file = folder(&prefix).join(machine.on_broker(CHANGELOG)).join("0.db");
    let journal = file.with_extension("db-journal");
    let (mut in_the_middle, mut from_checkpoints) = (0, 0);
    let admin = Admin::new(&machine.broker, &prefix);
    for _ in 0..6 {
        let mut killed = child::start("settles_as_a_child_until_it_is_killed", &prefix);
        // SQLite has a journal while a transaction is under way. The broker's answers set the pace of looking.
        support::eventually(async || {
            admin.members(GROUP);
            let is_made = fs::metadata(&file).is_ok_and(|file| file.len() > 0);
            (is_made && journal.exists()).then_some(())
        })
        .await;
        killed.kill().unwrap();
        killed.wait().unwrap();
        in_the_middle += u32::from(journal.exists());

        let process = Process::with(&config(&machine.broker, prefix.clone()));
        process.acquire().await;
        process.assert_has_the_truth(&machine, &[key(9999)]).await;
        from_checkpoints += process.read().0;
        // As if it were killed as well, so that the next one goes on with the file as it was left.
        drop(process);
    }
    fs::remove_dir_all(folder(&prefix)).unwrap();
    assert!(in_the_middle > 0, "none was killed in the middle of a transaction");
    assert!(from_checkpoints > 0, "no checkpoint was ever used");
}
