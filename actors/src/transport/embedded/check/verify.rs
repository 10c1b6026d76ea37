//! The checksum of every row.

use std::collections::HashMap;

use diesel::{connection::DefaultLoadingMode, prelude::*};
use pandaflow::{Partition, TopicName, ports::StoreError};

use crate::transport::embedded::{
    admission::Owners,
    catalog::{Catalog, stream_end},
    connection::{failed, store_error},
    log_id::{log_id, stream_of},
    rows::{AttemptsRow, DeadLetterRow, DedupRow, LogRow, ParkedRow, ProgressRow, StateRow},
    schema::{attempts, dead_letters, dedup, log, parked, progress, state},
    tables,
};

/// Checks all rows, or those of the small tables and the last records of each partition.
pub(super) fn rows(
    connection: &mut SqliteConnection,
    is_full: bool,
    has_parked: bool,
) -> Result<(), StoreError> {
    let catalog = Catalog::load(connection)?;
    Owners::load(connection)?;
    let what = failed("reading the progress");
    for row in progress::table.load_iter::<ProgressRow, DefaultLoadingMode>(connection).map_err(&what)? {
        row.map_err(&what)?.settled()?;
    }
    let what = failed("reading the counts of attempts");
    for row in attempts::table.load_iter::<AttemptsRow, DefaultLoadingMode>(connection).map_err(&what)? {
        row.map_err(&what)?.checked()?;
    }
    if has_parked {
        let what = failed("reading the parked events");
        for row in parked::table.load_iter::<ParkedRow, DefaultLoadingMode>(connection).map_err(&what)? {
            row.map_err(&what)?.checked()?;
        }
    }
    let what = failed("reading the dead letters");
    for row in
        dead_letters::table.load_iter::<DeadLetterRow, DefaultLoadingMode>(connection).map_err(&what)?
    {
        row.map_err(&what)?.stored()?;
    }
    for topic in catalog.topics() {
        tables::load(connection, &topic)?;
    }
    log_rows(connection, &catalog, is_full)?;
    if is_full { keyed_rows(connection) } else { Ok(()) }
}

fn keyed_rows(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let what = failed("reading state");
    for row in state::table.load_iter::<StateRow, DefaultLoadingMode>(connection).map_err(&what)? {
        row.map_err(&what)?.checked()?;
    }
    let what = failed("reading dedup marks");
    for row in dedup::table.load_iter::<DedupRow, DefaultLoadingMode>(connection).map_err(&what)? {
        row.map_err(&what)?.checked()?;
    }
    Ok(())
}

fn log_rows(connection: &mut SqliteConnection, catalog: &Catalog, is_full: bool) -> Result<(), StoreError> {
    let what = failed("reading the log");
    let mut places: HashMap<i64, (TopicName, Partition)> = HashMap::new();
    let mut first = i64::MIN;
    for topic in catalog.topics() {
        for (partition, stream) in (0..).map(Partition).zip(topic.streams.iter()) {
            places.insert(stream.id, (topic.name.clone(), partition));
        }
    }
    let mut ranges = vec![(first, i64::MAX)];
    if !is_full {
        ranges.clear();
        for stream in places.keys() {
            first = log_id(*stream, stream_end(connection, *stream, 0)?.saturating_sub(100));
            ranges.push((first, log_id(*stream + 1, 0)));
        }
    }
    for (first, end) in ranges {
        let rows = log::table
            .filter(log::id.ge(first).and(log::id.lt(end)))
            .select((log::id, log::timestamp_ms, log::crc, log::key, log::value, log::headers))
            .load_iter::<LogRow, DefaultLoadingMode>(connection)
            .map_err(&what)?;
        for row in rows {
            let row = row.map_err(&what)?;
            let place = places.get(&stream_of(row.id));
            let (topic, partition) = place.ok_or_else(|| {
                store_error(format!("row {} of the log belongs to no partition of a topic", row.id))
            })?;
            row.record(topic, *partition)?;
        }
    }
    Ok(())
}
