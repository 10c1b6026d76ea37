//! The rows of owners: the epoch that fences, how many settlements it has made real, its ledger.

use diesel::{
    OptionalExtension, QueryResult, QueryableByName, sql_query, sql_types::BigInt, sql_types::Text,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pandaflow::{
    Epoch, Group, Offset, Partition, Timestamp, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{FailedAttempts, Owner},
};

use super::rows::part;

/// Waits for what an earlier owner has under way. The ledger stays.
const ACQUIRE: &str = "\
    INSERT INTO pandaflow_owners AS known
        (group_name, part, epoch, settled, consumed, succeeded, filtered, duplicate, dead_lettered, parked)
    VALUES ($1, $2, $3, 0, 0, 0, 0, 0, 0, 0)
    ON CONFLICT (group_name, part) DO UPDATE SET epoch = greatest(known.epoch + 1, $3), settled = 0
    RETURNING epoch, consumed, succeeded, filtered, duplicate, dead_lettered, parked";

/// Locks the owner's row until the transaction ends, and finds nothing if another has the partition or more was settled than
/// is known of.
const ADVANCE: &str = "\
    UPDATE pandaflow_owners
    SET settled = $4 + $5, consumed = $6, succeeded = $7, filtered = $8, duplicate = $9, dead_lettered = $10, parked = $11
    WHERE group_name = $1 AND part = $2 AND epoch = $3 AND settled = $4";

const STANDING: &str = "SELECT epoch, settled FROM pandaflow_owners WHERE group_name = $1 AND part = $2";

const PROGRESS: &str = "SELECT topic, progress FROM pandaflow_progress WHERE group_name = $1 AND part = $2";

const ATTEMPTS: &str = "\
    SELECT topic, off, attempts, first_failed_ms FROM pandaflow_attempts
    WHERE group_name = $1 AND part = $2 ORDER BY topic, off";

#[derive(Debug, QueryableByName)]
struct OwnerRow {
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = BigInt)]
    consumed: i64,
    #[diesel(sql_type = BigInt)]
    succeeded: i64,
    #[diesel(sql_type = BigInt)]
    filtered: i64,
    #[diesel(sql_type = BigInt)]
    duplicate: i64,
    #[diesel(sql_type = BigInt)]
    dead_lettered: i64,
    #[diesel(sql_type = BigInt)]
    parked: i64,
}

/// Who owns a partition, and how many settlements of it are real.
#[derive(Debug, QueryableByName)]
pub(super) struct Standing {
    #[diesel(sql_type = BigInt)]
    pub(super) epoch: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) settled: i64,
}

#[derive(Debug, QueryableByName)]
struct ProgressRow {
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Text)]
    progress: String,
}

#[derive(Debug, QueryableByName)]
struct AttemptsRow {
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = BigInt)]
    off: i64,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = BigInt)]
    first_failed_ms: i64,
}

/// Makes a new owner; its epoch and its ledger.
pub(super) async fn acquire(
    connection: &mut AsyncPgConnection,
    group: &Group,
    partition: Partition,
    at_least: Epoch,
) -> QueryResult<(Epoch, Ledger)> {
    let row: OwnerRow = sql_query(ACQUIRE)
        .bind::<Text, _>(group.as_str())
        .bind::<BigInt, _>(i64::from(partition.0))
        .bind::<BigInt, _>(at_least.0.cast_signed())
        .get_result(connection)
        .await?;
    let ledger = Ledger {
        consumed: row.consumed.cast_unsigned(),
        succeeded: row.succeeded.cast_unsigned(),
        filtered: row.filtered.cast_unsigned(),
        duplicate: row.duplicate.cast_unsigned(),
        dead_lettered: row.dead_lettered.cast_unsigned(),
        parked: row.parked.cast_unsigned(),
    };
    Ok((Epoch(row.epoch.cast_unsigned()), ledger))
}

/// Locks an owner's row and counts `more` settlements beyond the `known` ones; whether that is how it stands.
pub(super) async fn advance(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
    known: i64,
    more: i64,
    ledger: &Ledger,
) -> QueryResult<bool> {
    let advance = sql_query(ADVANCE)
        .bind::<Text, _>(owner.group.as_str())
        .bind::<BigInt, _>(part(owner))
        .bind::<BigInt, _>(owner.epoch.0.cast_signed())
        .bind::<BigInt, _>(known)
        .bind::<BigInt, _>(more)
        .bind::<BigInt, _>(ledger.consumed.cast_signed())
        .bind::<BigInt, _>(ledger.succeeded.cast_signed())
        .bind::<BigInt, _>(ledger.filtered.cast_signed())
        .bind::<BigInt, _>(ledger.duplicate.cast_signed())
        .bind::<BigInt, _>(ledger.dead_lettered.cast_signed())
        .bind::<BigInt, _>(ledger.parked.cast_signed());
    Ok(advance.execute(connection).await? == 1)
}

/// How an owner's row stands; `None` if there is none.
pub(super) async fn standing(
    connection: &mut AsyncPgConnection,
    owner: &Owner,
) -> QueryResult<Option<Standing>> {
    let look = sql_query(STANDING).bind::<Text, _>(owner.group.as_str()).bind::<BigInt, _>(part(owner));
    look.get_result(connection).await.optional()
}

/// How far a group has come in a partition, per topic.
pub(super) async fn progress(
    connection: &mut AsyncPgConnection,
    group: &Group,
    partition: Partition,
) -> QueryResult<Vec<(TopicName, Progress)>> {
    let rows: Vec<ProgressRow> = sql_query(PROGRESS)
        .bind::<Text, _>(group.as_str())
        .bind::<BigInt, _>(i64::from(partition.0))
        .load(connection)
        .await?;
    rows.into_iter().map(|row| named(&row.topic, &row.progress)).collect()
}

/// A stored progress with its topic.
pub(super) fn named(topic: &str, progress: &str) -> QueryResult<(TopicName, Progress)> {
    let progress =
        progress.parse().map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))?;
    Ok((TopicName::new(topic), progress))
}

/// Events that have failed and not ended.
pub(super) async fn attempts(
    connection: &mut AsyncPgConnection,
    group: &Group,
    partition: Partition,
) -> QueryResult<Vec<FailedAttempts>> {
    let rows: Vec<AttemptsRow> = sql_query(ATTEMPTS)
        .bind::<Text, _>(group.as_str())
        .bind::<BigInt, _>(i64::from(partition.0))
        .load(connection)
        .await?;
    let failed = |row: AttemptsRow| FailedAttempts {
        topic: TopicName::new(&row.topic),
        offset: Offset(row.off.cast_unsigned()),
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        first_failed: Timestamp(row.first_failed_ms),
    };
    Ok(rows.into_iter().map(failed).collect())
}
