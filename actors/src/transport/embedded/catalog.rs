//! What is known of topics and groups without asking SQLite. The writer changes it; everybody reads it.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::prelude::*;
use pandaflow::{Group, Partition, TopicName, ports::StoreError};

use super::{
    connection::{failed, store_error},
    log_id::{log_id, offset_of},
    rows::{GroupRow, StreamRow, TopicRow},
    schema::{groups, log, streams, topics},
};

/// One topic.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) id: i32,
    pub(super) name: TopicName,
    pub(super) partitions: u32,
    pub(super) retention: Duration,
    pub(super) table: bool,
    pub(super) streams: Arc<[Stream]>,
}

impl Topic {
    pub(super) fn new(row: &TopicRow, streams: Arc<[Stream]>) -> Self {
        Self {
            id: row.id,
            name: TopicName::new(&row.name),
            partitions: u32::try_from(streams.len()).unwrap_or(u32::MAX),
            retention: row.retention(),
            table: row.is_table,
            streams,
        }
    }

    pub(super) fn stream(&self, partition: Partition) -> Option<&Stream> {
        self.streams.get(usize::try_from(partition.0).ok()?)
    }
}

/// One partition of a topic.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: i64,
    /// The offset that the next record gets. Written by the writer after its commit, read by sources.
    end: AtomicU64,
}

impl Stream {
    pub(super) fn new(id: i64, end: u64) -> Self {
        Self { id, end: AtomicU64::new(end) }
    }

    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(super) fn publish(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }
}

/// All topics and groups.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    topics: RwLock<HashMap<TopicName, Arc<Topic>>>,
    groups: RwLock<HashMap<Group, i32>>,
}

impl Catalog {
    pub(super) fn load(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let catalog = Self::default();
        let rows: Vec<TopicRow> = topics::table.load(connection).map_err(failed("reading the topics"))?;
        for row in rows {
            let row = row.checked()?;
            let streams = load_streams(connection, &row)?;
            catalog.put_topic(Topic::new(&row, streams));
        }
        let rows: Vec<GroupRow> = groups::table.load(connection).map_err(failed("reading the groups"))?;
        for row in rows {
            let row = row.checked()?;
            catalog.put_group(Group::from(row.name.as_str()), row.id);
        }
        Ok(catalog)
    }

    pub(super) fn topic(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The topic, or an error that names the known ones.
    pub(super) fn known_topic(&self, name: &TopicName) -> Result<Arc<Topic>, StoreError> {
        self.topic(name).ok_or_else(|| {
            let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
            let mut known: Vec<&str> = topics.keys().map(TopicName::as_str).collect();
            known.sort_unstable();
            store_error(format!("there is no topic {name}; the topics are: {}", known.join(", ")))
        })
    }

    pub(super) fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn put_topic(&self, topic: Topic) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.insert(topic.name.clone(), Arc::new(topic));
    }

    pub(super) fn group(&self, group: &Group) -> Option<i32> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(group).copied()
    }

    pub(super) fn put_group(&self, group: Group, id: i32) {
        self.groups.write().unwrap_or_else(PoisonError::into_inner).insert(group, id);
    }
}

/// The streams of a topic, each with its end.
fn load_streams(connection: &mut SqliteConnection, topic: &TopicRow) -> Result<Arc<[Stream]>, StoreError> {
    let rows: Vec<StreamRow> = streams::table
        .filter(streams::topic_id.eq(topic.id))
        .order(streams::part)
        .load(connection)
        .map_err(failed("reading the partitions"))?;
    let complete = rows.len() as i64 == topic.partitions
        && rows.iter().enumerate().all(|(place, row)| row.part == place as i64);
    if !complete {
        let (name, partitions, found) = (&topic.name, topic.partitions, rows.len());
        return Err(store_error(format!("topic {name} has {partitions} partitions, but {found} are stored")));
    }
    rows.into_iter()
        .map(|row| {
            let row = row.checked()?;
            Ok(Stream::new(row.id, stream_end(connection, row.id, row.next_off.cast_unsigned())?))
        })
        .collect()
}

/// The offset after the last record of a stream, at least `next`.
pub(super) fn stream_end(
    connection: &mut SqliteConnection,
    stream: i64,
    next: u64,
) -> Result<u64, StoreError> {
    let last: Option<i64> = log::table
        .filter(log::id.ge(log_id(stream, 0)).and(log::id.lt(log_id(stream + 1, 0))))
        .order(log::id.desc())
        .select(log::id)
        .first(connection)
        .optional()
        .map_err(failed("reading the end of a partition"))?;
    Ok(last.map_or(next, |last| next.max(offset_of(last).next().0)))
}
