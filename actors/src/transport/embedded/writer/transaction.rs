//! The rows of one transaction. Every statement is prepared once and kept by diesel; bytes are bound, not copied.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use diesel::{
    ExpressionMethods, QueryDsl, QueryResult, RunQueryDsl, SqliteConnection, delete, insert_into,
    replace_into, result::Error,
};
use pandaflow::{
    DeadLetter, Epoch, Offset, Outgoing, Partition, Record, Timestamp, TopicName, partition_of,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{AttemptChange, Mark, ParkChange, StateChange},
};

use crate::transport::embedded::{
    catalog::{Catalog, Topic},
    headers_codec,
    listeners::Listeners,
    log_id::log_id,
    rows::{AttemptsRow, DedupRow, LogRow, NewDeadLetter, NewParked, OwnerRow, ProgressRow, PutState},
    schema::{attempts, dead_letters, dedup, latest, log, owners, parked, progress, state},
};

/// Writes rows in a transaction and remembers what to tell once it is committed.
pub(super) struct Pen<'a> {
    catalog: &'a Catalog,
    now: i64,
    /// The topic of the last output: the next one mostly goes there too.
    topic: Option<Arc<Topic>>,
    written: Written,
    headers: Vec<u8>,
}

/// What a transaction has appended.
#[derive(Default)]
pub(super) struct Written {
    /// By stream.
    appended: HashMap<i64, Appended>,
    /// The last record per key of topics that are tables.
    latest: HashMap<(i32, Bytes), Record>,
}

struct Appended {
    topic: Arc<Topic>,
    partition: Partition,
    next: u64,
}

impl Written {
    /// Makes it visible to sources and tables.
    pub(super) fn publish(self, listeners: &Listeners) {
        let mut topics: Vec<i32> = Vec::new();
        for appended in self.appended.into_values() {
            if let Some(stream) = appended.topic.stream(appended.partition) {
                stream.publish(appended.next);
            }
            if !topics.contains(&appended.topic.id) {
                topics.push(appended.topic.id);
            }
        }
        listeners.tables.update(self.latest.into_values());
        listeners.bells.ring(&topics);
    }
}

impl<'a> Pen<'a> {
    /// `headers` is a buffer to use again.
    pub(super) fn new(catalog: &'a Catalog, now: i64, headers: Vec<u8>) -> Self {
        Self { catalog, now, topic: None, written: Written::default(), headers }
    }

    pub(super) fn end(self) -> (Written, Vec<u8>) {
        (self.written, self.headers)
    }

    pub(super) fn topic(&mut self, name: &TopicName) -> QueryResult<Arc<Topic>> {
        match &self.topic {
            Some(topic) if topic.name == *name => Ok(topic.clone()),
            _ => {
                let topic = self.catalog.topic(name).ok_or(Error::NotFound)?;
                self.topic = Some(topic.clone());
                Ok(topic)
            }
        }
    }

    pub(super) fn outputs(
        &mut self,
        connection: &mut SqliteConnection,
        outputs: &[Outgoing],
    ) -> QueryResult<()> {
        for output in outputs {
            let topic = self.topic(&output.topic)?;
            let partition = partition_of(output.key.as_deref(), topic.partitions);
            let stream = topic.stream(partition).ok_or(Error::NotFound)?;
            let appended = self.written.appended.entry(stream.id).or_insert_with(|| Appended {
                topic: topic.clone(),
                partition,
                next: stream.end(),
            });
            let offset = appended.next;
            appended.next += 1;
            self.append(connection, log_id(stream.id, offset), output)?;
            if topic.table {
                self.keep_latest(topic.id, partition, Offset(offset), output);
            }
        }
        Ok(())
    }

    fn append(&mut self, connection: &mut SqliteConnection, id: i64, output: &Outgoing) -> QueryResult<()> {
        let headers = encode(&mut self.headers, output);
        let (key, value) = (output.key.as_deref(), output.value.as_deref());
        insert_into(log::table)
            .values((
                log::id.eq(id),
                log::appended_ms.eq(self.now),
                log::timestamp_ms.eq(output.timestamp.0),
                log::crc.eq(LogRow::checksum(id, output.timestamp.0, key, value, headers)),
                log::key.eq(key),
                log::value.eq(value),
                log::headers.eq(headers),
            ))
            .execute(connection)?;
        Ok(())
    }

    fn keep_latest(&mut self, topic: i32, partition: Partition, offset: Offset, output: &Outgoing) {
        let Some(key) = &output.key else { return };
        let record = Record {
            topic: output.topic.clone(),
            partition,
            offset,
            timestamp: output.timestamp,
            key: Some(key.clone()),
            value: output.value.clone(),
            headers: output.headers.clone(),
        };
        self.written.latest.insert((topic, key.clone()), record);
    }

    /// Writes the last record per key of tables; each key once, however often it was written.
    pub(super) fn latest(&mut self, connection: &mut SqliteConnection) -> QueryResult<()> {
        for ((topic, key), record) in &self.written.latest {
            let found = self.catalog.topic(&record.topic).ok_or(Error::NotFound)?;
            let stream = found.stream(record.partition).ok_or(Error::NotFound)?;
            let id = log_id(stream.id, record.offset.0);
            headers_codec::encode(&record.headers, &mut self.headers);
            let headers = (!self.headers.is_empty()).then_some(self.headers.as_slice());
            let (time, value) = (record.timestamp.0, record.value.as_deref());
            replace_into(latest::table)
                .values((
                    latest::topic_id.eq(topic),
                    latest::key.eq(&key[..]),
                    latest::log_id.eq(id),
                    latest::timestamp_ms.eq(time),
                    latest::crc.eq(LogRow::checksum(id, time, Some(key), value, headers)),
                    latest::value.eq(value),
                    latest::headers.eq(headers),
                ))
                .execute(connection)?;
        }
        Ok(())
    }

    pub(super) fn states(
        &mut self,
        connection: &mut SqliteConnection,
        group: i32,
        changes: &[StateChange],
    ) -> QueryResult<()> {
        for StateChange { key, value, .. } in changes {
            match value {
                Some(value) => PutState::new(group, key, value).execute(connection)?,
                None => delete(state::table.find((group, &key[..]))).execute(connection)?,
            };
        }
        Ok(())
    }

    pub(super) fn marks(
        &mut self,
        connection: &mut SqliteConnection,
        group: i32,
        marks: &[Mark],
    ) -> QueryResult<()> {
        for mark in marks {
            replace_into(dedup::table)
                .values((
                    dedup::group_id.eq(group),
                    dedup::id.eq(&mark.id.0.as_bytes()[..]),
                    dedup::expires_ms.eq(mark.expires.0),
                    dedup::crc.eq(DedupRow::checksum(group, mark.id.0.as_bytes(), mark.expires.0)),
                ))
                .execute(connection)?;
        }
        Ok(())
    }

    pub(super) fn dead_letters(
        &mut self,
        connection: &mut SqliteConnection,
        letters: &[DeadLetter],
    ) -> QueryResult<()> {
        for letter in letters {
            let row = NewDeadLetter::new(letter, Timestamp(self.now))
                .map_err(|error| Error::SerializationError(Box::new(error)))?;
            insert_into(dead_letters::table).values(&row).execute(connection)?;
        }
        Ok(())
    }

    pub(super) fn attempts(
        &mut self,
        connection: &mut SqliteConnection,
        group: i32,
        partition: Partition,
        changes: &[AttemptChange],
    ) -> QueryResult<()> {
        let part = i64::from(partition.0);
        for change in changes {
            match change {
                AttemptChange::Failed(failed) => {
                    let row = AttemptsRow::new(group, part, self.topic(&failed.topic)?.id, failed);
                    replace_into(attempts::table).values(&row).execute(connection)?
                }
                AttemptChange::Ended { topic, offset } => {
                    let topic = self.topic(topic)?.id;
                    delete(attempts::table.find((group, part, topic, offset.0.cast_signed())))
                        .execute(connection)?
                }
            };
        }
        Ok(())
    }

    pub(super) fn parking(
        &mut self,
        connection: &mut SqliteConnection,
        group: i32,
        partition: Partition,
        changes: &[ParkChange],
    ) -> QueryResult<()> {
        let part = i64::from(partition.0);
        for change in changes {
            match change {
                ParkChange::Parked(event) => {
                    let topic = self.topic(&event.record.topic)?.id;
                    headers_codec::encode(&event.record.headers, &mut self.headers);
                    let headers = (!self.headers.is_empty()).then_some(self.headers.as_slice());
                    let row = NewParked::new(group, part, topic, event, headers);
                    replace_into(parked::table).values(&row).execute(connection)?
                }
                ParkChange::Ended { topic, offset } => {
                    let topic = self.topic(topic)?.id;
                    delete(parked::table.find((group, part, topic, offset.0.cast_signed())))
                        .execute(connection)?
                }
            };
        }
        Ok(())
    }

    pub(super) fn progress(
        &mut self,
        connection: &mut SqliteConnection,
        group: i32,
        partition: Partition,
        topic: i32,
        settled: &Progress,
    ) -> QueryResult<()> {
        let row = ProgressRow::new(group, partition.0.into(), topic, settled);
        replace_into(progress::table).values(&row).execute(connection)?;
        Ok(())
    }

    pub(super) fn owner(
        &mut self,
        connection: &mut SqliteConnection,
        group: i32,
        partition: Partition,
        epoch: Epoch,
        ledger: &Ledger,
    ) -> QueryResult<()> {
        let row = OwnerRow::new(group, partition.0.into(), epoch, ledger);
        replace_into(owners::table).values(&row).execute(connection)?;
        Ok(())
    }
}

fn encode<'a>(buffer: &'a mut Vec<u8>, output: &Outgoing) -> Option<&'a [u8]> {
    headers_codec::encode(&output.headers, buffer);
    (!buffer.is_empty()).then_some(buffer.as_slice())
}
