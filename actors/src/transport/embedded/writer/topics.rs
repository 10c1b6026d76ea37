//! Making topics, and turning them into tables.

use std::sync::Arc;

use diesel::prelude::*;
use pandaflow::ports::{StoreError, TopicToCreate};

use super::Writer;
use crate::transport::embedded::{
    catalog::{Stream, Topic},
    connection::{failed, store_error},
    log_id::log_id,
    rows::{StreamRow, TopicRow},
    schema::{latest, log, streams, topics},
};

/// Streams have 23 bits in the key of the log.
const MAX_STREAMS: i64 = 1 << 22;

impl Writer {
    /// Makes the topics that are not there; of those that are, retention and table are brought up to date.
    pub(super) fn create_topics(&mut self, wanted: &[TopicToCreate]) -> Result<(), StoreError> {
        for topic in wanted {
            let known = self.catalog.topic(&topic.topic);
            match known {
                Some(known) => self.change_topic(&known, topic)?,
                None => self.new_topic(topic)?,
            }
        }
        Ok(())
    }

    fn new_topic(&mut self, topic: &TopicToCreate) -> Result<(), StoreError> {
        if topic.partitions == 0 {
            return Err(store_error(format!("topic {} needs at least one partition", topic.topic)));
        }
        let what = failed("creating a topic");
        let made = self.connection.immediate_transaction(|connection| {
            let last: Option<i32> = topics::table.select(diesel::dsl::max(topics::id)).first(connection)?;
            let row = TopicRow::new(last.unwrap_or(0) + 1, topic);
            diesel::insert_into(topics::table).values(&row).execute(connection)?;
            let last: Option<i64> = streams::table.select(diesel::dsl::max(streams::id)).first(connection)?;
            let first = last.unwrap_or(0) + 1;
            for part in 0..i64::from(topic.partitions) {
                let stream = StreamRow::new(first + part, row.id, part, 0, 0);
                diesel::insert_into(streams::table).values(&stream).execute(connection)?;
            }
            if first + i64::from(topic.partitions) > MAX_STREAMS {
                return Err(diesel::result::Error::RollbackTransaction);
            }
            let streams: Arc<[Stream]> =
                (0..i64::from(topic.partitions)).map(|part| Stream::new(first + part, 0)).collect();
            Ok(Topic::new(&row, streams))
        });
        self.catalog.put_topic(made.map_err(what)?);
        Ok(())
    }

    fn change_topic(&mut self, known: &Topic, wanted: &TopicToCreate) -> Result<(), StoreError> {
        if known.partitions != wanted.partitions {
            return Err(store_error(format!(
                "topic {} has {} partitions and can't be given {}: keys would change their partition",
                known.name, known.partitions, wanted.partitions
            )));
        }
        // A table stays one: who declared it may run in another program.
        let wanted = TopicToCreate { table: known.table || wanted.table, ..wanted.clone() };
        if known.retention == wanted.retention && known.table == wanted.table {
            return Ok(());
        }
        let row = TopicRow::new(known.id, &wanted);
        let fill = wanted.table && !known.table;
        self.connection
            .immediate_transaction(|connection| {
                diesel::update(topics::table.find(row.id)).set(&row).execute(connection)?;
                if fill { fill_latest(connection, known) } else { Ok(()) }
            })
            .map_err(failed("changing a topic"))?;
        self.catalog.put_topic(Topic::new(&row, known.streams.clone()));
        Ok(())
    }
}

/// Takes the latest record of each key out of the log; a later one replaces an earlier one.
fn fill_latest(connection: &mut SqliteConnection, topic: &Topic) -> QueryResult<()> {
    for stream in topic.streams.iter() {
        let records = log::table
            .filter(log::id.ge(log_id(stream.id, 0)).and(log::id.lt(log_id(stream.id + 1, 0))))
            .filter(log::key.is_not_null())
            .order(log::id)
            .select((
                topic.id.into_sql::<diesel::sql_types::Integer>(),
                log::key.assume_not_null(),
                log::id,
                log::timestamp_ms,
                log::crc,
                log::value,
                log::headers,
            ));
        diesel::replace_into(latest::table)
            .values(records)
            .into_columns((
                latest::topic_id,
                latest::key,
                latest::log_id,
                latest::timestamp_ms,
                latest::crc,
                latest::value,
                latest::headers,
            ))
            .execute(connection)?;
    }
    Ok(())
}
