//! Processes that are killed, and a second one that must stay out. The child is this test program, run again.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use pandaflow::{
    Offset, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{Owner, Settlement, StateChange},
};
use pandaflow_actors::{
    testkit::contract::{effects, keyed},
    transport::embedded::{EmbeddedConfig, EmbeddedTransport, OpenError},
};

use super::shop::Shop;

/// Says where the child works; without it, the child's test does nothing.
const FOLDER: &str = "PANDAFLOW_TEST_FOLDER";

/// One event: an output with its number, the state, the progress and the ledger that go with it.
fn step(owner: &Owner, topic: &TopicName, number: u64) -> Settlement {
    let text = number.to_string();
    Settlement {
        outputs: vec![keyed(topic, "k", &text)],
        states: vec![StateChange::new(Bytes::from_static(b"k"), Some(text.into()))],
        progress: vec![(topic.clone(), Progress::at(Offset(number + 1)))],
        ledger: Ledger { consumed: number + 1, succeeded: number + 1, ..Ledger::default() },
        ..effects(owner)
    }
}

/// The child: goes on from what is settled, says of each number that it is about to be and that it is, until it is killed.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let shop = Shop::open(Path::new(&folder));
    let topic = shop.topic("paper.steps", 1, false);
    let acquired = shop.acquire("g", 0, &[&topic]);
    let first = acquired.progress[0].1.next.0;
    println!("open");
    for number in first.. {
        println!("settling {number}");
        shop.settle(step(&acquired.owner, &topic, number)).unwrap();
        println!("settled {number}");
    }
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::child", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what the child says until it has settled as often, kills it then or in the middle of the next, and returns the
/// last number settled.
fn kill_after(mut child: Child, settlements: usize, in_the_middle: bool) -> Option<u64> {
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut settled = None;
    let mut said = 0;
    let pid = child.id();
    let mut killed = false;
    for line in out.lines() {
        let Ok(line) = line else { break };
        if let Some(number) = line.strip_prefix("settled ") {
            settled = number.parse().ok();
            said += 1;
        }
        let now = !in_the_middle || line.starts_with("settling ");
        if said >= settlements && now && !killed {
            // SIGKILL; what was said before it still comes out of the pipe.
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(killed, "process {pid} ended by itself");
    child.wait().unwrap();
    settled
}

#[test]
fn what_was_confirmed_survives_a_kill_and_nothing_is_there_by_half() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = 0;
    for life in 0..12 {
        let settled = kill_after(start(folder.path()), 3 + life * 5, life % 2 == 1);
        let shop = Shop::open(folder.path());
        let topic = shop.topic("paper.steps", 1, false);
        let acquired = shop.acquire("g", 0, &[&topic]);
        let next = acquired.progress[0].1.next.0;
        assert!(next > settled.expect("it settled something"), "confirmed, but not there");
        assert!(next > expected, "every life gets on");
        expected = next;
        assert_eq!(acquired.ledger.succeeded, next);
        assert_eq!(shop.state("g", "k"), Some((next - 1).to_string().into()));
        let records = shop.read(&topic, next as usize).unwrap();
        for (number, record) in records.iter().enumerate() {
            assert_eq!(record.offset, Offset(number as u64));
            assert_eq!(record.value, Some(number.to_string().into()));
        }
        drop(shop);
    }
}

#[test]
fn a_second_process_is_told_that_the_folder_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(out.by_ref().any(|line| line.unwrap() == "open"));
    let error = EmbeddedTransport::open(folder.path(), EmbeddedConfig::default()).err().unwrap();
    assert!(matches!(error, OpenError::InUse { .. }));
    let message = error.to_string();
    assert!(
        message.contains(folder.path().to_str().unwrap()) && message.contains("another process"),
        "{message}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    Shop::open(folder.path()).close();
}

#[test]
fn a_transport_that_is_dropped_has_written_what_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("paper.steps", 1, false);
    let owner = shop.acquire("g", 0, &[&topic]).owner;
    let error = EmbeddedTransport::open(folder.path(), EmbeddedConfig::default()).err().unwrap();
    assert!(matches!(error, OpenError::InUse { .. }));
    let store = pandaflow::ports::Transport::settlement(&shop.transport);
    for number in 0..50 {
        drop(store.settle(step(&owner, &topic, number)));
    }
    drop((shop, store));
    let shop = Shop::open(folder.path());
    assert_eq!(shop.acquire("g", 0, &[&topic]).ledger.succeeded, 50);
    assert_eq!(shop.read(&topic, 50).unwrap().len(), 50);
}

#[test]
fn a_folder_that_was_closed_holds_one_file_and_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(&folder.path().join("deep/data"));
    shop.topic("paper.steps", 1, false);
    shop.close();
    let names = std::fs::read_dir(folder.path().join("deep/data")).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["pandaflow.db", "pandaflow.db.lock"]);
}
