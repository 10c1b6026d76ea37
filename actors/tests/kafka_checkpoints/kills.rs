//! Processes that are killed while they write a checkpoint.

use std::{fs, path::PathBuf, time::Duration};

use pandaflow_actors::transport::kafka::{CheckpointConfig, KafkaConfig};

use super::{
    child,
    machine::{CHANGELOG, Machine, Process, key, states},
    support,
};

/// Where a child keeps its checkpoints, by the prefix that it was told.
fn folder(prefix: &str) -> PathBuf {
    std::env::temp_dir().join(format!("pandaflow-{prefix}"))
}

fn config(broker: &str, prefix: String) -> KafkaConfig {
    let interval = Duration::from_millis(1);
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
    for _ in 0..6 {
        let mut killed = child::start("kills::settles_as_a_child_until_it_is_killed", &prefix);
        support::eventually(async || fs::metadata(&file).is_ok_and(|file| file.len() > 0).then_some(()))
            .await;
        // SQLite has it while a transaction is under way.
        support::eventually(async || journal.exists().then_some(())).await;
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
