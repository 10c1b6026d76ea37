//! Files that are damaged, of another version, too old, or somebody else's for the moment: the log is read from its beginning, and
//! nothing fails.

use std::fs;

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use super::machine::{CHANGELOG, Machine, key, with_500_states};

/// That the file is not used, and no key is found wrong.
async fn assert_not_used(machine: &Machine) {
    let process = machine.process();
    process.acquire().await;
    assert_eq!(process.read(), (0, 500));
    process.assert_has_the_truth(machine, &[key(500)]).await;
    process.end().await;
}

async fn assert_used(machine: &Machine) {
    let process = machine.process();
    process.acquire().await;
    assert_eq!(process.read(), (500, 0));
    process.assert_has_the_truth(machine, &[key(500)]).await;
    process.end().await;
}

#[tokio::test]
async fn a_damaged_file_is_thrown_away_and_made_again() {
    let Some(machine) = with_500_states().await else { return };
    let file = machine.file(CHANGELOG, 0);
    let mut bytes = fs::read(&file).unwrap();
    // One value of one state, which SQLite would never notice; it may have left copies where nothing is.
    let places = (0..bytes.len() - 9).filter(|place| &bytes[*place..*place + 9] == b"first-123");
    let places: Vec<_> = places.collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|place| bytes[place] = b'F');
    fs::write(&file, bytes).unwrap();
    assert_not_used(&machine).await;
    assert_used(&machine).await;
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_thrown_away_and_made_again() {
    let Some(machine) = with_500_states().await else { return };
    let file = machine.file(CHANGELOG, 0);
    for half in [fs::metadata(&file).unwrap().len() / 2, 0] {
        fs::File::options().write(true).open(&file).unwrap().set_len(half).unwrap();
        assert_not_used(&machine).await;
        assert_used(&machine).await;
    }
    fs::write(&file, "no database at all, and longer than the header of one would be: ".repeat(100)).unwrap();
    assert_not_used(&machine).await;
    assert_used(&machine).await;
}

#[tokio::test]
async fn a_file_of_another_version_is_left_as_it_is() {
    let Some(machine) = with_500_states().await else { return };
    let file = machine.file(CHANGELOG, 0);
    change(&machine, "PRAGMA user_version = 2");
    let bytes = fs::read(&file).unwrap();
    assert_not_used(&machine).await;
    assert_not_used(&machine).await;
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn a_checkpoint_of_yesterday_is_not_used() {
    let Some(machine) = with_500_states().await else { return };
    let half_a_day = 12 * 3_600_000;
    make_older(&machine, half_a_day - 600_000);
    assert_used(&machine).await;
    make_older(&machine, half_a_day + 1000);
    assert_not_used(&machine).await;
    assert_used(&machine).await;
}

#[tokio::test]
async fn whoever_does_not_get_the_file_goes_without() {
    let Some(machine) = with_500_states().await else { return };
    let mut lock = machine.file(CHANGELOG, 0).into_os_string();
    lock.push(".lock");
    let held = fs::File::options().write(true).open(lock).unwrap();
    held.lock().unwrap();
    assert_not_used(&machine).await;
    drop(held);
    assert_used(&machine).await;
}

/// Where a file should be there is a folder, which nobody can write to as a file.
#[tokio::test]
async fn a_checkpoint_that_can_not_be_written_fails_nobody() {
    let Some(machine) = with_500_states().await else { return };
    let file = machine.file(CHANGELOG, 0);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_not_used(&machine).await;
    assert_not_used(&machine).await;
}

fn change(machine: &Machine, sql: &str) {
    let file = machine.file(CHANGELOG, 0);
    SqliteConnection::establish(file.to_str().unwrap()).unwrap().batch_execute(sql).unwrap();
}

/// Moves the time at which the log was read, with the checksum that belongs to it.
fn make_older(machine: &Machine, millis: i64) {
    use diesel::prelude::*;
    diesel::table! {
        mark (id) {
            id -> Integer, topic -> Text, part -> BigInt, off -> BigInt, written_ms -> BigInt, print -> BigInt,
            end_off -> BigInt, as_of_ms -> BigInt, good_for_ms -> BigInt, row_count -> BigInt, row_sum -> BigInt,
            tidied_ms -> BigInt, tidied_off -> BigInt, crc -> BigInt,
        }
    }
    type Numbers = (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64);
    let file = machine.file(CHANGELOG, 0);
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let columns = (
        mark::topic,
        (
            mark::part,
            mark::off,
            mark::written_ms,
            mark::print,
            mark::end_off,
            mark::as_of_ms,
            mark::good_for_ms,
            mark::row_count,
            mark::row_sum,
            mark::tidied_ms,
            mark::tidied_off,
        ),
    );
    let (topic, numbers): (String, Numbers) = mark::table.select(columns).first(&mut connection).unwrap();
    let (part, off, written, print, end, _, good_for, rows, sum, tidied, tidied_off) = numbers;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let as_of = i64::try_from(now.as_millis()).unwrap() - millis;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&(topic.len() as u64 + 1).to_le_bytes());
    crc.update(topic.as_bytes());
    for number in [part, off, written, print, end, as_of, good_for, rows, sum, tidied, tidied_off] {
        crc.update(&number.to_le_bytes());
    }
    let changes = (mark::as_of_ms.eq(as_of), mark::crc.eq(i64::from(crc.finalize())));
    assert_eq!(diesel::update(mark::table).set(changes).execute(&mut connection).unwrap(), 1);
}
