//! Events that wait beside their partition: written with the settlements, read by the next owner.

use std::collections::HashMap;

use bytes::Bytes;
use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Binary, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pandaflow::{
    Group, Offset, Partition, Record, Timestamp, TopicName,
    ports::{Owner, ParkedEvent},
};

use super::rows::{part, remove_events};
use crate::transport::headers_codec;

const PUT: &str = "\
    INSERT INTO pandaflow_parked
        (group_name, part, topic, off, place, timestamp_ms, attempts, first_failed_ms, due_ms, key, value, headers)
    SELECT $1, $2, row.topic, row.off, row.place, row.timestamp_ms, row.attempts, row.first_failed_ms, row.due_ms, row.key,
        row.value, row.headers
    FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        AS row (topic, off, place, timestamp_ms, attempts, first_failed_ms, due_ms, key, value, headers)
    ON CONFLICT (group_name, part, topic, off) DO UPDATE
    SET place = excluded.place, attempts = excluded.attempts, first_failed_ms = excluded.first_failed_ms,
        due_ms = excluded.due_ms";

const REMOVE: &str = "\
    DELETE FROM pandaflow_parked USING unnest($3, $4) AS row (topic, off)
    WHERE group_name = $1 AND part = $2
        AND pandaflow_parked.topic = row.topic AND pandaflow_parked.off = row.off";

const READ: &str = "\
    SELECT topic, off, place, timestamp_ms, attempts, first_failed_ms, due_ms, key, value, headers
    FROM pandaflow_parked WHERE group_name = $1 AND part = $2 ORDER BY place";

const FORGET: &str = "DELETE FROM pandaflow_parked WHERE group_name = $1 AND part = $2 AND topic = $3";

#[derive(Debug, QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = BigInt)]
    off: i64,
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = BigInt)]
    timestamp_ms: i64,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    first_failed_ms: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    due_ms: Option<i64>,
    #[diesel(sql_type = Nullable<Binary>)]
    key: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    value: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    headers: Option<Vec<u8>>,
}

/// Writes what is parked, and removes what has ended.
pub(super) async fn write(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    changes: &HashMap<(&TopicName, Offset), Option<&ParkedEvent>>,
) -> QueryResult<()> {
    let parked: Vec<&ParkedEvent> = changes.values().flatten().copied().collect();
    if !parked.is_empty() {
        put(connection, owner, &parked).await?;
    }
    let ended = changes.iter().filter(|(_, parked)| parked.is_none());
    remove_events(connection, owner, REMOVE, ended.map(|(event, _)| *event)).await
}

async fn put(connection: &mut AsyncPgConnection, owner: &Owner, parked: &[&ParkedEvent]) -> QueryResult<()> {
    fn column<'a, T>(parked: &[&'a ParkedEvent], of: impl Fn(&'a ParkedEvent) -> T) -> Vec<T> {
        parked.iter().map(|event| of(event)).collect()
    }
    let headers = |event: &ParkedEvent| {
        let mut bytes = Vec::new();
        headers_codec::encode(&event.record.headers, &mut bytes);
        (!bytes.is_empty()).then_some(bytes)
    };
    let put = sql_query(PUT)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<BigInt, _>(part(owner))
        .bind::<Array<Text>, _>(column(parked, |event| event.record.topic.as_str()))
        .bind::<Array<BigInt>, _>(column(parked, |event| event.record.offset.0.cast_signed()))
        .bind::<Array<BigInt>, _>(column(parked, |event| event.place.cast_signed()))
        .bind::<Array<BigInt>, _>(column(parked, |event| event.record.timestamp.0))
        .bind::<Array<BigInt>, _>(column(parked, |event| i64::from(event.attempts)))
        .bind::<Array<Nullable<BigInt>>, _>(column(parked, |event| event.first_failed.map(|time| time.0)))
        .bind::<Array<Nullable<BigInt>>, _>(column(parked, |event| event.due.map(|time| time.0)))
        .bind::<Array<Nullable<Binary>>, _>(column(parked, |event| event.record.key.as_deref()))
        .bind::<Array<Nullable<Binary>>, _>(column(parked, |event| event.record.value.as_deref()))
        .bind::<Array<Nullable<Binary>>, _>(column(parked, headers));
    put.execute(connection).await.map(drop)
}

/// What is parked of a partition, in its order.
pub(super) async fn of(
    connection: &mut AsyncPgConnection,
    group: &Group,
    partition: Partition,
) -> QueryResult<Vec<ParkedEvent>> {
    let rows: Vec<Row> = sql_query(READ)
        .bind::<Text, _>(group.as_str())
        .bind::<BigInt, _>(i64::from(partition.0))
        .load(connection)
        .await?;
    rows.into_iter().map(|row| row.event(partition)).collect()
}

/// Forgets what is parked of a topic.
pub(super) async fn forget(
    connection: &mut AsyncPgConnection,
    group: &Group,
    partition: Partition,
    topic: &TopicName,
) -> QueryResult<()> {
    let forget = sql_query(FORGET)
        .bind::<Text, _>(group.as_str())
        .bind::<BigInt, _>(i64::from(partition.0))
        .bind::<Text, _>(topic.as_str());
    forget.execute(connection).await.map(drop)
}

impl Row {
    fn event(self, partition: Partition) -> QueryResult<ParkedEvent> {
        let headers = self.headers.map(|bytes| headers_codec::decode(bytes.into())).transpose();
        let headers = headers.map_err(|what| {
            let what =
                format!("the headers of the parked event {}[{partition}]@{}: {what}", self.topic, self.off);
            diesel::result::Error::DeserializationError(what.into())
        })?;
        let record = Record {
            topic: TopicName::new(&self.topic),
            partition,
            offset: Offset(self.off.cast_unsigned()),
            timestamp: Timestamp(self.timestamp_ms),
            key: self.key.map(Bytes::from),
            value: self.value.map(Bytes::from),
            headers: headers.unwrap_or_default(),
        };
        Ok(ParkedEvent {
            place: self.place.cast_unsigned(),
            record,
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            first_failed: self.first_failed_ms.map(Timestamp),
            due: self.due_ms.map(Timestamp),
        })
    }
}
