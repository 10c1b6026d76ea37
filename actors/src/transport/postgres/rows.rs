//! The statements of a settlement, one for each table and settlement, whatever the number of rows.

use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, BigInt, Binary, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pandaflow::{Offset, TopicName, ports::Owner};

use super::{changes::Changes, claims, dead_letters::NewRow, parked, schema::dead_letters};
use crate::transport::headers_codec;

/// The batch's number is drawn while its owner is locked.
const OUTPUTS: &str = "\
    INSERT INTO pandaflow_outbox (batch, place, topic, timestamp_ms, key, value, headers)
    SELECT batch.number, row.place, row.topic, row.timestamp_ms, row.key, row.value, row.headers
    FROM (SELECT nextval('pandaflow_outbox_batches') AS number) AS batch,
        unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS row (topic, timestamp_ms, key, value, headers, place)";

const PUT_STATES: &str = "\
    INSERT INTO pandaflow_states (group_name, part, key, value)
    SELECT $1, $2, row.key, row.value FROM unnest($3, $4) AS row (key, value)
    ON CONFLICT (group_name, part, digest) DO UPDATE SET value = excluded.value";

const REMOVE_STATES: &str = "\
    DELETE FROM pandaflow_states
    WHERE group_name = $1 AND part = $2 AND digest IN (SELECT sha256(row.key) FROM unnest($3) AS row (key))";

const PUT_APPLIED: &str = "\
    INSERT INTO pandaflow_applied (group_name, part, topic, key, off)
    SELECT $1, $2, row.topic, row.key, row.off FROM unnest($3, $4, $5) AS row (topic, key, off)
    ON CONFLICT (group_name, part, topic, digest) DO UPDATE SET off = excluded.off";

const PUT_ATTEMPTS: &str = "\
    INSERT INTO pandaflow_attempts (group_name, part, topic, off, attempts, first_failed_ms)
    SELECT $1, $2, row.topic, row.off, row.attempts, row.first_failed_ms
    FROM unnest($3, $4, $5, $6) AS row (topic, off, attempts, first_failed_ms)
    ON CONFLICT (group_name, part, topic, off)
    DO UPDATE SET attempts = excluded.attempts, first_failed_ms = excluded.first_failed_ms";

const REMOVE_ATTEMPTS: &str = "\
    DELETE FROM pandaflow_attempts USING unnest($3, $4) AS row (topic, off)
    WHERE group_name = $1 AND part = $2
        AND pandaflow_attempts.topic = row.topic AND pandaflow_attempts.off = row.off";

const PROGRESS: &str = "\
    INSERT INTO pandaflow_progress (group_name, part, topic, progress)
    SELECT $1, $2, row.topic, row.progress FROM unnest($3, $4) AS row (topic, progress)
    ON CONFLICT (group_name, part, topic) DO UPDATE SET progress = excluded.progress";

/// Writes all that an owner's settlements change but its own row.
pub(super) async fn write(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    changes: &Changes<'_>,
    now: pandaflow::Timestamp,
) -> QueryResult<()> {
    outputs(connection, changes).await?;
    states(connection, owner, changes).await?;
    applied(connection, owner, changes).await?;
    marks(connection, owner, changes).await?;
    letters(connection, changes, now).await?;
    attempts(connection, owner, changes).await?;
    parked::write(connection, owner, &changes.parking).await?;
    progress(connection, owner, changes).await
}

async fn outputs(connection: &mut AsyncPgConnection, changes: &Changes<'_>) -> QueryResult<()> {
    if changes.outputs.is_empty() {
        return Ok(());
    }
    let outputs = &changes.outputs;
    let headers = |output: &&pandaflow::Outgoing| {
        let mut bytes = Vec::new();
        headers_codec::encode(&output.headers, &mut bytes);
        (!bytes.is_empty()).then_some(bytes)
    };
    let topics: Vec<&str> = outputs.iter().map(|output| output.topic.as_str()).collect();
    let timestamps: Vec<i64> = outputs.iter().map(|output| output.timestamp.0).collect();
    let keys: Vec<Option<&[u8]>> = outputs.iter().map(|output| output.key.as_deref()).collect();
    let values: Vec<Option<&[u8]>> = outputs.iter().map(|output| output.value.as_deref()).collect();
    let headers: Vec<Option<Vec<u8>>> = outputs.iter().map(headers).collect();
    let insert = sql_query(OUTPUTS)
        .bind::<Array<Text>, _>(topics)
        .bind::<Array<BigInt>, _>(timestamps)
        .bind::<Array<Nullable<Binary>>, _>(keys)
        .bind::<Array<Nullable<Binary>>, _>(values)
        .bind::<Array<Nullable<Binary>>, _>(headers);
    insert.execute(connection).await.map(drop)
}

async fn states(connection: &mut AsyncPgConnection, owner: &Owner, changes: &Changes<'_>) -> QueryResult<()> {
    let put = changes.states.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
    let (keys, values): (Vec<&[u8]>, Vec<&[u8]>) = put.unzip();
    if !keys.is_empty() {
        let put = sql_query(PUT_STATES)
            .bind::<Text, _>(owner.group.as_str())
            .bind::<BigInt, _>(part(owner))
            .bind::<Array<Binary>, _>(keys)
            .bind::<Array<Binary>, _>(values);
        put.execute(connection).await?;
    }
    let removed = changes.states.iter().filter(|(_, value)| value.is_none());
    let removed: Vec<&[u8]> = removed.map(|(key, _)| *key).collect();
    if !removed.is_empty() {
        let remove = sql_query(REMOVE_STATES)
            .bind::<Text, _>(owner.group.as_str())
            .bind::<BigInt, _>(part(owner))
            .bind::<Array<Binary>, _>(removed);
        remove.execute(connection).await?;
    }
    Ok(())
}

async fn applied(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    changes: &Changes<'_>,
) -> QueryResult<()> {
    if changes.applied.is_empty() {
        return Ok(());
    }
    let (places, last): (Vec<_>, Vec<i64>) =
        changes.applied.iter().map(|(place, last)| (*place, last.0.cast_signed())).unzip();
    let (topics, keys): (Vec<&str>, Vec<&[u8]>) =
        places.into_iter().map(|(topic, key)| (topic.as_str(), key)).unzip();
    let put = sql_query(PUT_APPLIED)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<BigInt, _>(part(owner))
        .bind::<Array<Text>, _>(topics)
        .bind::<Array<Binary>, _>(keys)
        .bind::<Array<BigInt>, _>(last);
    put.execute(connection).await.map(drop)
}

async fn marks(connection: &mut AsyncPgConnection, owner: &Owner, changes: &Changes<'_>) -> QueryResult<()> {
    if changes.marks.is_empty() {
        return Ok(());
    }
    let (ids, until): (Vec<_>, Vec<_>) = changes.marks.iter().map(|(id, until)| (*id, until.0)).unzip();
    claims::mark(connection, owner, &ids, &until).await.map(drop)
}

async fn letters(
    connection: &mut AsyncPgConnection,
    changes: &Changes<'_>,
    now: pandaflow::Timestamp,
) -> QueryResult<()> {
    if changes.dead_letters.is_empty() {
        return Ok(());
    }
    let rows = changes.dead_letters.iter().map(|letter| NewRow::new(letter, now));
    let rows: Vec<_> = rows
        .collect::<serde_json::Result<_>>()
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    let insert = diesel::insert_into(dead_letters::table).values(rows).on_conflict_do_nothing();
    insert.execute(connection).await.map(drop)
}

async fn attempts(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    changes: &Changes<'_>,
) -> QueryResult<()> {
    let failed: Vec<_> = changes.attempts.values().flatten().collect();
    if !failed.is_empty() {
        let put = sql_query(PUT_ATTEMPTS)
            .bind::<Text, _>(owner.group.as_str())
            .bind::<BigInt, _>(part(owner))
            .bind::<Array<Text>, _>(failed.iter().map(|one| one.topic.as_str()).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(failed.iter().map(|one| one.offset.0.cast_signed()).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(failed.iter().map(|one| i64::from(one.attempts)).collect::<Vec<_>>())
            .bind::<Array<BigInt>, _>(failed.iter().map(|one| one.first_failed.0).collect::<Vec<_>>());
        put.execute(connection).await?;
    }
    let ended = changes.attempts.iter().filter(|(_, failed)| failed.is_none());
    remove_events(connection, owner, REMOVE_ATTEMPTS, ended.map(|(event, _)| *event)).await
}

/// Removes the rows of events by a statement that takes the owner's group and partition, and topics and offsets.
pub(super) async fn remove_events(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    statement: &str,
    events: impl Iterator<Item = (&TopicName, Offset)>,
) -> QueryResult<()> {
    let (topics, offsets): (Vec<&str>, Vec<i64>) =
        events.map(|(topic, offset)| (topic.as_str(), offset.0.cast_signed())).unzip();
    if topics.is_empty() {
        return Ok(());
    }
    let remove = sql_query(statement)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<BigInt, _>(part(owner))
        .bind::<Array<Text>, _>(topics)
        .bind::<Array<BigInt>, _>(offsets);
    remove.execute(connection).await.map(drop)
}

async fn progress(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    changes: &Changes<'_>,
) -> QueryResult<()> {
    if changes.progress.is_empty() {
        return Ok(());
    }
    let settled = changes.progress.iter().map(|(topic, progress)| (topic.as_str(), progress.to_string()));
    let (topics, settled): (Vec<&str>, Vec<String>) = settled.unzip();
    let put = sql_query(PROGRESS)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<BigInt, _>(part(owner))
        .bind::<Array<Text>, _>(topics)
        .bind::<Array<Text>, _>(settled);
    put.execute(connection).await.map(drop)
}

pub(super) fn part(owner: &Owner) -> i64 {
    owner.partition.0.into()
}
