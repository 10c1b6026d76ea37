//! Damaged files are refused at open, said to be damaged and how, and left byte for byte as they are.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use pandaflow::{DeadLetter, Record, TopicName, ports::Transport};
use pandaflow_actors::transport::embedded::{EmbeddedConfig, EmbeddedTransport, OpenError};

use super::shop::{Shop, block_on, everything};

const TOPIC: &str = "paper.ticks";
const SETTLEMENTS: u32 = 60;

/// A store with rows in every table.
fn fill(shop: &Shop) -> TopicName {
    let topic = shop.topic(TOPIC, 1, true);
    let owner = shop.acquire("g", 0, &[&topic]).owner;
    for number in 0..SETTLEMENTS {
        shop.settle(everything(&owner, &topic, number)).unwrap();
    }
    topic
}

fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::open(folder.path());
    fill(&shop);
    shop.close();
    folder
}

/// What a kill leaves: the files as they are while the store is open.
fn killed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let running = tempfile::tempdir().unwrap();
    let shop = Shop::open(running.path());
    fill(&shop);
    for name in ["pandaflow.db", "pandaflow.db-wal", "pandaflow.db.lock"] {
        fs::copy(running.path().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn file(folder: &Path) -> PathBuf {
    folder.join("pandaflow.db")
}

fn wal(folder: &Path) -> PathBuf {
    folder.join("pandaflow.db-wal")
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Opens what must not open; the files stay as they are. Returns the message.
fn refused(folder: &Path) -> String {
    let mut before = files(folder);
    let error = EmbeddedTransport::open(folder, EmbeddedConfig::default()).err().expect("it must be refused");
    let mut after = files(folder);
    before.remove("pandaflow.db.lock");
    after.remove("pandaflow.db.lock");
    assert!(before == after, "{:?} became {:?}", before.keys(), after.keys());
    assert!(!matches!(error, OpenError::InUse { .. } | OpenError::Io { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("pandaflow.db"), "{message}");
    message
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Numbers that look random: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

#[derive(Debug, PartialEq)]
struct Content {
    records: Vec<Record>,
    states: Vec<(Bytes, Bytes)>,
    letters: Vec<DeadLetter>,
    progress: String,
    ledger: pandaflow::policy::ledger::Ledger,
}

fn content(folder: &Path) -> Content {
    let shop = Shop::open(folder);
    let topic = TopicName::new(TOPIC);
    let acquired = shop.acquire("g", 0, &[&topic]);
    let content = Content {
        records: shop.read(&topic, 2 * SETTLEMENTS as usize).unwrap(),
        states: block_on(shop.transport.states().scan("g".into())).unwrap(),
        letters: shop.letters(),
        progress: acquired.progress[0].1.to_string(),
        ledger: acquired.ledger,
    };
    shop.close();
    content
}

#[test]
fn a_damaged_header_is_named() {
    let folder = filled();
    let sound = fs::read(file(folder.path())).unwrap();
    for place in (0..24).filter(|place| *place != 20) {
        change(&file(folder.path()), |bytes| bytes[place] ^= 0x55);
        let message = refused(folder.path());
        assert!(message.contains("header"), "byte {place}: {message}");
        fs::write(file(folder.path()), &sound).unwrap();
    }
    Shop::open(folder.path()).close();
}

#[test]
fn a_file_that_was_cut_off_is_refused_with_its_length() {
    let folder = filled();
    let length = fs::metadata(file(folder.path())).unwrap().len() as usize;
    for left in [length - 1, length - 8192, length / 2, 8192, 4000, 99, 50, 1, 0] {
        change(&file(folder.path()), |bytes| bytes.truncate(left));
        let message = refused(folder.path());
        let says = if left == 0 { "empty".to_owned() } else { left.to_string() };
        assert!(message.contains(&says), "{left} bytes: {message}");
    }
}

#[test]
fn a_page_of_garbage_is_refused() {
    let folder = filled();
    let sound = fs::read(file(folder.path())).unwrap();
    for page in 1..sound.len() / 8192 {
        let mut random = Random(page as u64 + 1);
        change(&file(folder.path()), |bytes| {
            bytes[page * 8192..(page + 1) * 8192].fill_with(|| random.below(256) as u8);
        });
        let message = refused(folder.path());
        assert!(message.contains("damaged"), "page {page}: {message}");
        fs::write(file(folder.path()), &sound).unwrap();
    }
}

/// One bit anywhere: refused, or it lay where nothing is kept.
#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let folder = filled();
    let expected = content(folder.path());
    let sound = fs::read(file(folder.path())).unwrap();
    let mut random = Random(2024);
    let mut found = 0;
    for round in 0..150 {
        let (place, bit) = (random.below(sound.len()), random.below(8));
        let flip = |bytes: &mut Vec<u8>| bytes[place] ^= 1 << bit;
        change(&file(folder.path()), flip);
        match EmbeddedTransport::open(folder.path(), EmbeddedConfig::default()) {
            Err(error) => {
                found += 1;
                assert!(error.to_string().contains("damaged") || place < 100, "{place}: {error}");
            }
            Ok(transport) => {
                block_on(transport.close());
                drop(transport);
                assert!(content(folder.path()) == expected, "round {round}: bit {bit} of byte {place}");
            }
        }
        fs::write(file(folder.path()), &sound).unwrap();
    }
    assert!(found > 20, "{found} of 150 were found");
}

#[test]
fn what_a_kill_left_opens_with_all_that_was_settled() {
    let folder = killed();
    let letters = content(folder.path()).letters;
    assert_eq!(letters.len(), SETTLEMENTS as usize);
}

#[test]
fn a_write_ahead_log_that_was_taken_away_is_missed() {
    let folder = killed();
    fs::remove_file(wal(folder.path())).unwrap();
    assert!(refused(folder.path()).contains("pandaflow.db-wal is missing"));
    fs::write(wal(folder.path()), b"").unwrap();
    assert!(refused(folder.path()).contains("empty"));
}

#[test]
fn a_damaged_write_ahead_log_is_refused_and_names_the_frame() {
    let folder = killed();
    let sound = fs::read(wal(folder.path())).unwrap();
    let frames = (sound.len() - 32) / (8192 + 24);
    for place in [0, 5, 9, 17, 25] {
        change(&wal(folder.path()), |bytes| bytes[place] ^= 1);
        let message = refused(folder.path());
        assert!(message.contains("header of its write-ahead log"), "{place}: {message}");
        fs::write(wal(folder.path()), &sound).unwrap();
    }
    let mut random = Random(7);
    for frame in [0, 1, frames / 2, frames - 30] {
        let place = 32 + frame * (8192 + 24) + random.below(8192 + 24);
        change(&wal(folder.path()), |bytes| bytes[place] ^= 0x10);
        let message = refused(folder.path());
        assert!(message.contains(&format!("frame {} ", frame + 1)), "{frame}: {message}");
        fs::write(wal(folder.path()), &sound).unwrap();
    }
}

/// A write that was cut off is what a power cut leaves: the rest is whole, and it opens.
#[test]
fn a_write_ahead_log_with_a_torn_end_opens_up_to_there() {
    let folder = killed();
    let length = fs::metadata(wal(folder.path())).unwrap().len() as usize;
    change(&wal(folder.path()), |bytes| bytes.truncate(length - 100));
    let shop = Shop::open(folder.path());
    assert_eq!(shop.letters().len(), SETTLEMENTS as usize - 1);
}

#[test]
fn damage_behind_a_write_ahead_log_is_refused_too() {
    let folder = killed();
    // Pages that were written since lie in the write-ahead log; some were not.
    change(&file(folder.path()), |bytes| bytes[8192..].fill(0xa5));
    assert!(refused(folder.path()).contains("damaged"));
}

fn with_sql(folder: &Path, sql: &str) {
    let mut connection = SqliteConnection::establish(file(folder).to_str().unwrap()).unwrap();
    connection.batch_execute(sql).unwrap();
}

#[test]
fn missing_and_altered_tables_are_named() {
    let folder = filled();
    with_sql(folder.path(), "DROP TABLE state; ALTER TABLE attempts ADD COLUMN more INTEGER;");
    let message = refused(folder.path());
    assert!(message.contains("attempts, state"), "{message}");
}

#[test]
fn a_file_of_a_newer_version_is_not_touched() {
    let folder = filled();
    with_sql(folder.path(), "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000');");
    let message = refused(folder.path());
    assert!(message.contains("99990101000000") && message.contains("newer"), "{message}");
}

#[test]
fn a_file_of_another_program_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    with_sql(folder.path(), "PRAGMA journal_mode = WAL; CREATE TABLE theirs (a);");
    assert!(refused(folder.path()).contains("pandaflow did not make it"));
    fs::write(file(folder.path()), vec![b'x'; 5000]).unwrap();
    assert!(refused(folder.path()).contains("header"));
}

/// Of a large file not every row is looked at; then the read says it.
#[test]
fn damage_that_is_not_looked_for_is_found_when_it_is_read() {
    let folder = filled();
    with_sql(
        folder.path(),
        "UPDATE log SET value = x'39' WHERE id = (1 << 40) + 3; UPDATE state SET value = x'39' WHERE key = x'6b65792d35';",
    );
    assert!(refused(folder.path()).contains("record paper.ticks[0]@3 is damaged"));
    let mut config = EmbeddedConfig::default();
    config.full_check_bytes = 0;
    let shop = Shop::with(folder.path(), config).unwrap();
    let error = shop.read(&TopicName::new(TOPIC), 10).unwrap_err();
    assert!(error.message.contains("record paper.ticks[0]@3 is damaged"), "{error}");
    let keys = vec![Bytes::from_static(b"key-5")];
    let load = shop.transport.states().load("g".into(), pandaflow::Partition(0), keys);
    let error = block_on(load).unwrap_err();
    assert!(error.message.contains("key-5") && error.message.contains("damaged"), "{error}");
    assert_eq!(shop.state("g", "key-6"), Some(Bytes::from_static(b"6")));
}
