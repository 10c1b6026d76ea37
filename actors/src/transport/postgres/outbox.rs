//! The outbox: outputs that were settled, until they are published. One session at a time may publish: it holds a lock of the
//! database that ends with it.

use std::sync::Arc;

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, BigInt, Binary, Bool, Nullable, Text, Uuid as Id},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{Outgoing, Timestamp, TopicName, ports::StoreError};
use uuid::Uuid;

use super::database::{Connection, Database};
use crate::transport::{
    headers_codec,
    settlement_database::{Outbox, OutboxId, OutboxSession, SILENCE},
};

/// Outboxes of one database lie in schemas; the name tells them apart. "panda" as a number, as for migrations. Whoever has the
/// lock gets it again.
const LEADS: &str = "\
    SELECT pg_try_advisory_lock(hashtextextended('pandaflow_outbox of ' || current_schema(), 482670535777)) AS ours,
        (SELECT id FROM pandaflow_outbox_identity) AS identity";

/// Somebody may have emptied all tables.
const NAMED: &str = "INSERT INTO pandaflow_outbox_identity DEFAULT VALUES ON CONFLICT DO NOTHING";

const NEXT: &str = "\
    SELECT batch, place, topic, timestamp_ms, key, value, headers FROM (
        SELECT next.*, sum(coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0)
            + coalesce(octet_length(headers), 0)) OVER (ORDER BY batch, place
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM (SELECT * FROM pandaflow_outbox ORDER BY batch, place LIMIT $1) AS next
    ) AS next WHERE coalesce(before, 0) < $2 ORDER BY batch, place";

const PUBLISHED: &str = "\
    DELETE FROM pandaflow_outbox USING unnest($1, $2) AS row (batch, place)
    WHERE pandaflow_outbox.batch = row.batch AND pandaflow_outbox.place = row.place";

const WAITING: &str = "SELECT topic, count(*) AS records FROM pandaflow_outbox GROUP BY topic";

#[derive(Debug, QueryableByName)]
struct LeadsRow {
    #[diesel(sql_type = Bool)]
    ours: bool,
    /// None if somebody has emptied all tables meanwhile.
    #[diesel(sql_type = Nullable<Id>)]
    identity: Option<Uuid>,
}

#[derive(Debug, QueryableByName)]
struct WaitingRow {
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = BigInt)]
    records: i64,
}

#[derive(Debug, QueryableByName)]
struct OutboxRow {
    #[diesel(sql_type = BigInt)]
    batch: i64,
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = BigInt)]
    timestamp_ms: i64,
    #[diesel(sql_type = Nullable<Binary>)]
    key: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    value: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    headers: Option<Vec<u8>>,
}

impl OutboxRow {
    fn record(self) -> Result<(OutboxId, Outgoing), String> {
        let id = OutboxId { batch: self.batch, place: self.place };
        let headers = headers_codec::decode(self.headers.unwrap_or_default().into())
            .map_err(|why| format!("record {} of batch {}: {why}", id.place, id.batch))?;
        let record = Outgoing {
            topic: TopicName::new(&self.topic),
            timestamp: Timestamp(self.timestamp_ms),
            key: self.key.map(Into::into),
            value: self.value.map(Into::into),
            headers,
        };
        Ok((id, record))
    }
}

/// [`Outbox`] on PostgreSQL.
pub(super) struct PostgresOutbox(pub(super) Arc<Database>);

impl Outbox for PostgresOutbox {
    fn open(&self) -> BoxFuture<'static, Result<Box<dyn OutboxSession>, StoreError>> {
        let database = Arc::clone(&self.0);
        self.0.run(async move {
            let doing = "opening a session to publish in";
            let mut session = database.session(doing).await?;
            let limits = format!("SET idle_session_timeout = '{}s'; {NAMED}", SILENCE.as_secs());
            let limited = tokio::time::timeout(database.timeout(), session.batch_execute(&limits)).await;
            limited
                .map_err(|_| database.failed(doing, &"no answer in time"))?
                .map_err(|error| database.failed(doing, &error))?;
            let session = PostgresSession { database, session: Some(session) };
            Ok(Box::new(session) as Box<dyn OutboxSession>)
        })
    }

    fn waiting(&self) -> BoxFuture<'static, Result<Vec<(TopicName, u64)>, StoreError>> {
        let database = Arc::clone(&self.0);
        self.0.run(async move {
            let count =
                |mut connection: Connection| async move { sql_query(WAITING).load(&mut connection).await };
            let rows: Vec<WaitingRow> = database.query("counting what waits to be published", count).await?;
            Ok(rows
                .into_iter()
                .map(|row| (TopicName::new(&row.topic), row.records.cast_unsigned()))
                .collect())
        })
    }
}

/// A connection that publishes or stands by. After an error it is closed: whether the lock is still held is not known.
struct PostgresSession {
    database: Arc<Database>,
    session: Option<AsyncPgConnection>,
}

impl PostgresSession {
    /// Runs a query on the session, which is back once that has succeeded in time.
    fn ask<T: Send + 'static, F>(
        &mut self,
        doing: &'static str,
        query: impl FnOnce(AsyncPgConnection) -> F + Send + 'static,
    ) -> BoxFuture<'_, Result<T, StoreError>>
    where
        F: Future<Output = (AsyncPgConnection, diesel::QueryResult<T>)> + Send + 'static,
    {
        let (database, session) = (Arc::clone(&self.database), self.session.take());
        let asked = self.database.run(async move {
            let session = session.ok_or_else(|| database.failed(doing, &"the session was lost before"))?;
            let asked = tokio::time::timeout(database.timeout(), query(session)).await;
            let (session, outcome) = asked.map_err(|_| database.failed(doing, &"no answer in time"))?;
            Ok((session, outcome.map_err(|error| database.failed(doing, &error))?))
        });
        async move {
            let (session, outcome) = asked.await?;
            self.session = Some(session);
            Ok(outcome)
        }
        .boxed()
    }
}

impl OutboxSession for PostgresSession {
    fn leads(&mut self) -> BoxFuture<'_, Result<Option<Uuid>, StoreError>> {
        self.ask("asking to publish", |mut session| async move {
            let row = sql_query(LEADS).get_result::<LeadsRow>(&mut session).await;
            (session, row.map(|row| row.identity.filter(|_| row.ours)))
        })
    }

    fn next(
        &mut self,
        records: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<(OutboxId, Outgoing)>, StoreError>> {
        let (records, bytes) =
            (i64::try_from(records).unwrap_or(i64::MAX), i64::try_from(bytes).unwrap_or(i64::MAX));
        let database = Arc::clone(&self.database);
        let read = self.ask("reading what is to be published", move |mut session| async move {
            let next = sql_query(NEXT).bind::<BigInt, _>(records).bind::<BigInt, _>(bytes);
            let rows = next.load::<OutboxRow>(&mut session).await;
            (session, rows)
        });
        async move {
            let rows = read.await?.into_iter().map(OutboxRow::record).collect::<Result<_, _>>();
            rows.map_err(|why| database.failed("reading what is to be published", &why))
        }
        .boxed()
    }

    fn published(&mut self, records: Vec<OutboxId>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.ask("ending what is published", move |mut session| async move {
            let (batches, places): (Vec<i64>, Vec<i64>) =
                records.iter().map(|id| (id.batch, id.place)).unzip();
            let published = sql_query(PUBLISHED)
                .bind::<Array<BigInt>, _>(batches)
                .bind::<Array<BigInt>, _>(places)
                .execute(&mut session)
                .await
                .map(drop);
            (session, published)
        })
    }
}
