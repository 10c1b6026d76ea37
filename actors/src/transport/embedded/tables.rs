//! Tables: the latest record per key, held in memory and kept up to date by the writer after each commit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use bytes::Bytes;
use diesel::prelude::*;
use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    Partition, Record, TopicName,
    ports::{StoreError, TableSource, TableView},
};

use super::{
    catalog::Topic,
    connection::{failed, store_error},
    inner::Inner,
    log_id::stream_of,
    rows::LatestRow,
    schema::latest,
};

/// The latest record per key of one topic.
#[derive(Debug, Default)]
pub(super) struct Table(RwLock<HashMap<Bytes, Record>>);

impl Table {
    /// Puts a record unless a later one of its key is there.
    fn put(&self, record: Record) {
        let Some(key) = record.key.clone() else { return };
        let mut records = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match records.get_mut(&key) {
            Some(known) if known.offset >= record.offset => {}
            Some(known) => *known = record,
            None => drop(records.insert(key, record)),
        }
    }
}

impl TableView for Table {
    fn latest(&self, key: &[u8]) -> Option<Record> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

/// The tables that are looked at. Filled from the file once, then by the writer.
#[derive(Debug, Default)]
pub(super) struct OpenTables(Mutex<HashMap<TopicName, Arc<Table>>>);

impl OpenTables {
    fn open(&self, topic: &TopicName) -> Arc<Table> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.entry(topic.clone()).or_default().clone()
    }

    /// Puts what was committed.
    pub(super) fn update(&self, records: impl Iterator<Item = Record>) {
        for record in records {
            let table = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&record.topic).cloned();
            if let Some(table) = table {
                table.put(record);
            }
        }
    }
}

/// Opens tables.
pub(super) struct EmbeddedTables(pub(super) Arc<Inner>);

impl TableSource for EmbeddedTables {
    /// The topic must have been created as a table.
    fn open(&self, topic: TopicName) -> BoxFuture<'static, Result<Arc<dyn TableView>, StoreError>> {
        let inner = &self.0;
        let known = inner.catalog.known_topic(&topic).and_then(|known| {
            let hint = "create it with `table: true`";
            if known.table {
                Ok(known)
            } else {
                Err(store_error(format!("topic {topic} is no table; {hint}")))
            }
        });
        let known = match known {
            Ok(known) => known,
            Err(error) => return std::future::ready(Err(error)).boxed(),
        };
        // The writer updates it from now on; what the file holds comes in below what is newer.
        let table = inner.listeners.tables.open(&topic);
        inner.reports.run(move |connection| {
            for record in load(connection, &known)? {
                table.put(record);
            }
            Ok(table as Arc<dyn TableView>)
        })
    }
}

pub(super) fn load(connection: &mut SqliteConnection, topic: &Topic) -> Result<Vec<Record>, StoreError> {
    let rows: Vec<LatestRow> = latest::table
        .filter(latest::topic_id.eq(topic.id))
        .select((
            latest::key,
            latest::log_id,
            latest::timestamp_ms,
            latest::crc,
            latest::value,
            latest::headers,
        ))
        .load(connection)
        .map_err(failed("reading a table"))?;
    rows.into_iter()
        .map(|row| {
            let stream = stream_of(row.log_id());
            let place = topic.streams.iter().position(|known| known.id == stream);
            let partition = place.and_then(|place| u32::try_from(place).ok()).ok_or_else(|| {
                store_error(format!(
                    "table {} holds a record of stream {stream}, which is not its own",
                    topic.name
                ))
            })?;
            Ok(row.record(&topic.name, Partition(partition))?.1)
        })
        .collect()
}
