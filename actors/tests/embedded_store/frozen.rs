//! What a version wrote, later ones read: `tests/frozen/embedded-v1.sqlite` and so on are such files.

use std::{fs, path::PathBuf, time::Duration};

use bytes::Bytes;
use pandaflow::{
    Offset, Partition, Timestamp, TopicName,
    ports::{Acquired, Claim, ParkChange, Transport, Verdict},
};

use super::shop::{Shop, block_on, event, everything, headed, letter};

/// The newest version of the file.
const NEWEST: u32 = 2;

fn frozen(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/frozen/embedded-v{version}.sqlite"))
}

/// Run once, when a version is made: `cargo test -p pandaflow-actors --test embedded_store -- --ignored freeze`.
#[test]
#[ignore = "writes the frozen file"]
fn freeze() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("paper.ticks", 1, true);
    let owner = shop.acquire("g", 0, &[&topic]).owner;
    shop.settle(everything(&owner, &topic, 7)).unwrap();
    shop.close();
    fs::create_dir_all(frozen(NEWEST).parent().unwrap()).unwrap();
    fs::copy(folder.path().join("pandaflow.db"), frozen(NEWEST)).unwrap();
}

#[test]
fn a_file_of_version_1_is_read() {
    assert_eq!(read(1).parked, []);
}

#[test]
fn a_file_of_version_2_is_read() {
    let found = read(2);
    let ParkChange::Parked(expected) =
        &everything(&found.owner, &TopicName::new("paper.ticks"), 7).parking[0]
    else {
        panic!("an event is parked");
    };
    assert_eq!(found.parked, [(**expected).clone()]);
}

/// Reads the file of a version, and gives what its next owner finds.
fn read(version: u32) -> Acquired {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(frozen(version), folder.path().join("pandaflow.db")).unwrap();
    let shop = Shop::open(folder.path());
    let topic = shop.topic("paper.ticks", 1, true);
    let written = shop.acquire("g", 0, &[&topic]);
    let expected = everything(&written.owner, &topic, 7);
    assert_eq!(written.owner.epoch.0, 2);
    assert_eq!(written.progress, expected.progress);
    assert_eq!(written.ledger, expected.ledger);
    assert_eq!(written.attempts.len(), 1);
    assert_eq!((written.attempts[0].offset, written.attempts[0].attempts), (Offset(7), 2));
    let records = shop.read(&topic, 2).unwrap();
    for (place, (record, output)) in records.iter().zip(&expected.outputs).enumerate() {
        assert_eq!((record.offset, record.partition), (Offset(place as u64), Partition(0)));
        assert_eq!((&record.key, &record.value), (&output.key, &output.value));
        assert_eq!((&record.headers, record.timestamp), (&output.headers, output.timestamp));
    }
    assert_eq!(shop.state("g", "key-7"), Some(Bytes::from_static(b"7")));
    assert_eq!(shop.letters(), [letter(&topic)]);
    let claim = Claim {
        owner: written.owner.clone(),
        ids: vec![event(7)],
        now: Timestamp(0),
        lease: Duration::from_secs(1),
    };
    assert_eq!(block_on(shop.transport.dedup().claim(claim)), Ok(vec![Verdict::Done]));
    let table = block_on(shop.transport.tables().open(topic.clone())).unwrap();
    let latest = table.latest(b"key-0").expect("7 and 1007 are both of key-0 or key-6");
    assert_eq!(latest.headers, headed(&topic, 7).headers);
    written
}
