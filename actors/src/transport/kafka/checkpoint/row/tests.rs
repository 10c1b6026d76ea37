//! Rows that are summed up in lots, however these are cut, mean what the log means.

use std::collections::BTreeMap;

use pandaflow::{Epoch, Offset, ports::FailedAttempts};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::transport::kafka::changelog::{Table, applied_header, attempts_key, attempts_value, state_key};

fn row(offset: i64, key: Bytes, value: Option<Bytes>, epoch: Option<u64>) -> Row {
    let headers = epoch.map(|epoch| (APPLIED, applied_header(Epoch(epoch), &[])));
    Row {
        key,
        offset,
        timestamp: Timestamp(0),
        value,
        headers: headers.into_iter().collect(),
        overwritten: false,
        written: 0,
        epoch: 0,
        ends_key: false,
    }
}

/// A record of one of a few keys: a state, or a count of attempts.
fn records() -> impl Strategy<Value = Vec<Row>> {
    let record = (any::<bool>(), 0_u8..3, 0_u64..4, proptest::option::of(0_u8..9));
    vec(record, 0..40).prop_map(|records| {
        let make = |(offset, (is_state, key, epoch, value)): (usize, (bool, u8, u64, Option<u8>))| {
            let offset = offset as i64;
            if is_state {
                let value = value.map(|value| Bytes::from(vec![value]));
                return row(offset, state_key(&[key]), value, Some(epoch));
            }
            let (topic, at) = (TopicName::new("t"), Offset(key.into()));
            let failed = value.map(|times| {
                let (attempts, first_failed) = (times.into(), Timestamp(7));
                attempts_value(&FailedAttempts { topic: topic.clone(), offset: at, attempts, first_failed })
            });
            row(offset, attempts_key(&topic, at), failed, None)
        };
        records.into_iter().enumerate().map(make).collect()
    })
}

/// As a file keeps them.
fn write(file: &mut BTreeMap<Bytes, Row>, pending: &mut Pending) {
    for row in pending.drain() {
        let key = row.key.clone();
        match merge(file.get(&key).map(|row| row.epoch), row) {
            Merged::Replaced(row) => drop(file.insert(key, row)),
            Merged::CoveredUp => file.get_mut(&key).expect("it is known").overwritten = true,
            Merged::Ended => drop(file.remove(&key)),
        }
    }
}

fn shown(table: &Table) -> String {
    let states: BTreeMap<_, _> = table.states.iter().collect();
    format!("{states:?} {:?} {:?}", table.attempts, table.overwritten)
}

proptest! {
    #[test]
    fn rows_mean_what_the_log_means_however_it_is_read(records in records(), cuts in vec(any::<bool>(), 40)) {
        let (mut plain, mut file, mut pending) = (Table::default(), BTreeMap::new(), Pending::default());
        for (record, cut) in records.into_iter().zip(cuts) {
            plain.take_in(record.entry().expect("it is known"));
            let Taken::Row(row) = of_changelog(record) else { panic!("it is known") };
            pending.take_in(*row);
            if cut {
                write(&mut file, &mut pending);
            }
        }
        write(&mut file, &mut pending);
        let mut summed_up = Table::default();
        for row in file.into_values() {
            summed_up.restore(row.entry().expect("it is known"), row.overwritten);
        }
        prop_assert_eq!(shown(&summed_up), shown(&plain));
    }
}

#[test]
fn what_this_program_does_not_know_is_not_summed_up() {
    let unknown = row(0, Bytes::from_static(b"x"), None, None);
    assert_eq!(of_changelog(unknown), Taken::Unknown);
}

#[test]
fn pending_rows_weigh_what_is_kept_of_them() {
    let mut pending = Pending::default();
    let large = Some(Bytes::from(vec![0; 1000]));
    pending.take_in(row(0, Bytes::from_static(b"sk"), large, None));
    let before = pending.bytes();
    pending.take_in(row(1, Bytes::from_static(b"sk"), None, None));
    assert_eq!(pending.bytes(), before - 1000);
    assert_eq!(pending.drain().len(), 1);
    assert_eq!(pending.bytes(), 0);
}
