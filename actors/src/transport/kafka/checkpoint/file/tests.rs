//! A file has what was written last, or says that it has not.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use bytes::Bytes;
use pandaflow::Timestamp;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::transport::kafka::checkpoint::mark::Witness;
use crate::transport::kafka::checkpoint::row::{Merged, merge};

const TOPIC: &str = "t-g.changelog";

fn row(key: u8, offset: i64, epoch: u64, value: Option<&[u8]>) -> Row {
    Row {
        key: Bytes::from(vec![b's', key]),
        offset,
        timestamp: Timestamp(-offset),
        value: value.map(Bytes::copy_from_slice),
        headers: [("pandaflow-applied", vec![key])].into_iter().collect(),
        overwritten: false,
        written: offset * 10,
        epoch,
        ends_key: false,
    }
}

fn mark(offset: i64) -> Mark {
    let last = Witness { offset, written: 1, print: 2 };
    Mark { last, end: offset + 1, as_of: 50, good_for: Duration::from_secs(5) }
}

fn change(before: Option<i64>, to: i64) -> Change {
    Change { before: before.map(mark), mark: mark(to), tidy: (0, 0) }
}

fn write(place: &Place, change: &Change, rows: Vec<Row>) -> Result<(), FileError> {
    Opened::claimed(place, TOPIC, 3)?.change(change, rows)
}

type Content = (Mark, BTreeMap<Bytes, Row>);

fn read(place: &Place) -> Result<Option<Content>, FileError> {
    let Some(mut opened) = Opened::shared(place, TOPIC, 3)? else { return Ok(None) };
    let Some(stored) = opened.stored()? else { return Ok(None) };
    let mut rows = BTreeMap::new();
    opened.load(&stored, |row| drop(rows.insert(row.key.clone(), row)))?;
    Ok(Some((stored.mark, rows)))
}

fn three_rows(folder: &Path) -> Place {
    let place = Place::of(folder, TOPIC, 3);
    write(&place, &change(None, 7), (0..3).map(|key| row(key, 5, 1, Some(&[key; 3000]))).collect()).unwrap();
    place
}

#[test]
fn rows_are_replaced_covered_up_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let place = three_rows(folder.path());
    let ended = Row { ends_key: true, ..row(2, 10, 1, None) };
    write(&place, &change(Some(7), 10), vec![row(0, 8, 2, None), row(1, 9, 0, Some(b"late")), ended])
        .unwrap();
    let (marked, rows) = read(&place).unwrap().unwrap();
    assert_eq!(marked, mark(10));
    let covered = Row { overwritten: true, ..row(1, 5, 1, Some(&[1; 3000])) };
    assert_eq!(rows.into_values().collect::<Vec<_>>(), [row(0, 8, 2, None), covered]);
}

#[test]
fn whoever_does_not_know_the_last_mark_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = three_rows(folder.path());
    for before in [None, Some(6)] {
        let written = write(&place, &change(before, 9), vec![row(0, 9, 9, None)]);
        assert!(matches!(written, Err(FileError::InUse)), "{written:?}");
    }
    assert_eq!(read(&place).unwrap().unwrap().0, mark(7));
}

#[test]
fn what_the_log_throws_away_goes_once_an_hour_or_when_the_log_begins_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(folder.path(), TOPIC, 3);
    let covered = Row { overwritten: true, ..row(3, 1, 1, Some(b"early")) };
    let rows = vec![row(0, 5, 1, None), row(1, 6, 1, Some(b"6")), row(2, 9, 1, None), covered];
    write(&place, &change(None, 10), rows).unwrap();
    let keys = || read(&place).unwrap().unwrap().1.keys().map(|key| key[1]).collect::<Vec<_>>();
    let hour = 3_600_000;
    let tidied = |before, to, tidy| {
        write(&place, &Change { tidy, ..change(Some(before), to) }, Vec::new()).unwrap();
    };
    tidied(10, 11, (hour - 1, 0));
    assert_eq!(keys(), [0, 1, 2, 3]);
    tidied(11, 12, (60, 6));
    assert_eq!(keys(), [1, 2, 3], "a removal that is written at 50, and nothing that is covered up");
    tidied(12, 13, (60 + hour, 7));
    assert_eq!(keys(), [3]);
}

#[test]
fn a_file_of_another_version_or_maker_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (pragma, told) in [("user_version = 2", "of version 2"), ("application_id = 7", "did not make it")] {
        let place = three_rows(folder.path());
        let mut connection = establish(&place.file, "mode=rw").unwrap();
        connection.batch_execute(&format!("PRAGMA {pragma}")).unwrap();
        drop(connection);
        let bytes = fs::read(&place.file).unwrap();
        for error in [read(&place).unwrap_err(), write(&place, &change(Some(7), 8), vec![]).unwrap_err()] {
            assert!(matches!(&error, FileError::Foreign(why) if why.contains(told)), "{error}");
        }
        assert_eq!(fs::read(&place.file).unwrap(), bytes);
        fs::remove_file(&place.file).unwrap();
    }
    let place = three_rows(folder.path());
    let other = Opened::shared(&place, "another", 3).unwrap().unwrap().stored();
    assert!(matches!(other, Err(FileError::Foreign(_))));
}

#[test]
fn a_file_that_was_cut_off_anywhere_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let place = three_rows(folder.path());
    let whole = fs::read(&place.file).unwrap();
    for length in (1..whole.len()).step_by(997) {
        fs::write(&place.file, &whole[..length]).unwrap();
        let found = read(&place);
        // Of less than a header SQLite says that there is nothing.
        let is_found_out = matches!(found, Err(FileError::Damaged(_)) | Ok(None));
        assert!(is_found_out, "{length} of {} bytes: {found:?}", whole.len());
    }
    fs::write(&place.file, "").unwrap();
    assert_eq!(read(&place).unwrap(), None);
}

/// Frozen: a file of version 1 is found sound by every program that reads version 1.
#[test]
fn the_checksums_are_frozen() {
    let record = RecordRow::of(Row { overwritten: true, ..row(1, 5, 7, Some(b"v")) });
    let stored = Stored { mark: mark(9), rows: 4, sum: 5, tidied: (6, 7) };
    let sums = (record.crc, MarkRow::of("t", 1, &stored).crc);
    assert_eq!(sums, (1_195_420, 2_944_449_190));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn flipped_bits_are_found_out_or_change_nothing(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let folder = tempfile::tempdir().unwrap();
        let place = three_rows(folder.path());
        let before = read(&place).unwrap();
        let mut bytes = fs::read(&place.file).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&place.file, &bytes).unwrap();
        if let Ok(found) = read(&place) {
            prop_assert_eq!(found, before, "byte {}", at);
        }
    }

    #[test]
    fn a_file_has_what_was_written_last(lots in vec(vec((0_u8..6, 0_u64..3, any::<bool>()), 0..8), 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(folder.path(), TOPIC, 3);
        let (mut expected, mut offset, mut before) = (BTreeMap::new(), 0_i64, None);
        for lot in lots {
            let mut rows = BTreeMap::new();
            for (key, epoch, there) in lot {
                offset += 1;
                let row = row(key, offset, epoch, there.then_some(b"v"));
                rows.insert(row.key.clone(), row);
            }
            for row in rows.values() {
                let known = expected.get_mut(&row.key);
                match merge(known.as_ref().map(|row: &&mut Row| row.epoch), row.clone()) {
                    Merged::Replaced(row) => drop(expected.insert(row.key.clone(), row)),
                    Merged::CoveredUp => known.unwrap().overwritten = true,
                    Merged::Ended => drop(expected.remove(&row.key)),
                }
            }
            offset += 1;
            write(&place, &change(before, offset), rows.into_values().collect()).unwrap();
            before = Some(offset);
            prop_assert_eq!(read(&place).unwrap().unwrap(), (mark(offset), expected.clone()));
        }
    }
}
