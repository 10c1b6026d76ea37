//! Dead letters in a table: each is stored and confirmed by itself, before its event is settled.

use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::future::BoxFuture;
use pandaflow::{
    DeadLetter, Timestamp,
    ports::{DeadLetterFilter, DeadLetterId, DeadLetterStore, Filing, StoreError, StoredDeadLetter},
};
use uuid::Uuid;

use super::{database::Database, schema::dead_letters};
use crate::transport::dead_letter_columns::{self, Columns};

/// Keeps dead letters.
pub(super) struct PostgresDeadLetters(pub(super) Arc<Database>);

impl DeadLetterStore for PostgresDeadLetters {
    fn file(&self, letter: DeadLetter) -> BoxFuture<'static, Result<Filing, StoreError>> {
        let database = Arc::clone(&self.0);
        self.0.run(async move {
            let doing = "filing a dead letter";
            let row = NewRow::new(&letter, database.now()).map_err(|error| database.failed(doing, &error))?;
            let insert = diesel::insert_into(dead_letters::table).values(row).on_conflict_do_nothing();
            database
                .query(doing, |mut connection| async move { insert.execute(&mut connection).await })
                .await?;
            Ok(Filing::Confirmed)
        })
    }

    fn list(
        &self,
        filter: DeadLetterFilter,
    ) -> BoxFuture<'static, Result<Vec<StoredDeadLetter>, StoreError>> {
        let database = Arc::clone(&self.0);
        self.0.run(async move {
            let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
            let columns = Row::as_select();
            let mut query =
                dead_letters::table.select(columns).order(dead_letters::id.desc()).limit(limit).into_boxed();
            if let Some(processor) = filter.processor {
                query = query.filter(dead_letters::processor.eq(processor));
            }
            if let Some(namespace) = filter.namespace {
                query = query.filter(dead_letters::namespace.eq(namespace));
            }
            if let Some(class) = filter.class {
                query = query.filter(dead_letters::class.eq(class.as_str()));
            }
            let doing = "reading dead letters";
            let rows: Vec<Row> = database
                .query(doing, |mut connection| async move { query.load(&mut connection).await })
                .await?;
            rows.into_iter().map(|row| row.stored().map_err(|error| database.failed(doing, &error))).collect()
        })
    }

    fn show(&self, id: DeadLetterId) -> BoxFuture<'static, Result<Option<StoredDeadLetter>, StoreError>> {
        let database = Arc::clone(&self.0);
        self.0.run(async move {
            let doing = "reading a dead letter";
            let query = dead_letters::table.find(id.0).select(Row::as_select());
            let row: Option<Row> = database
                .query(doing, |mut connection| async move { query.first(&mut connection).await.optional() })
                .await?;
            row.map(|row| row.stored().map_err(|error| database.failed(doing, &error))).transpose()
        })
    }
}

/// The same, where settlements are made in the database: a letter goes with its event's.
pub(super) struct WithSettlements(pub(super) Arc<Database>);

impl DeadLetterStore for WithSettlements {
    fn file(&self, letter: DeadLetter) -> BoxFuture<'static, Result<Filing, StoreError>> {
        Box::pin(std::future::ready(Ok(Filing::WithSettlement(Box::new(letter)))))
    }

    fn list(
        &self,
        filter: DeadLetterFilter,
    ) -> BoxFuture<'static, Result<Vec<StoredDeadLetter>, StoreError>> {
        PostgresDeadLetters(Arc::clone(&self.0)).list(filter)
    }

    fn show(&self, id: DeadLetterId) -> BoxFuture<'static, Result<Option<StoredDeadLetter>, StoreError>> {
        PostgresDeadLetters(Arc::clone(&self.0)).show(id)
    }
}

/// A dead letter to be written.
#[derive(Debug, Insertable)]
#[diesel(table_name = dead_letters)]
pub(super) struct NewRow<'a> {
    stored_ms: i64,
    group_name: &'a str,
    processor: &'a str,
    namespace: &'a str,
    class: &'a str,
    topic: &'a str,
    part: i64,
    off: i64,
    timestamp_ms: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Option<Vec<u8>>,
    detail: String,
    content: Uuid,
}

impl<'a> NewRow<'a> {
    pub(super) fn new(letter: &'a DeadLetter, stored: Timestamp) -> serde_json::Result<Self> {
        let record = &letter.record;
        let mut row = Self {
            stored_ms: stored.0,
            group_name: letter.group.as_str(),
            processor: &letter.processor,
            namespace: letter.namespace.as_str(),
            class: letter.class.as_str(),
            topic: record.topic.as_str(),
            part: record.partition.0.into(),
            off: record.offset.0.cast_signed(),
            timestamp_ms: record.timestamp.0,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: dead_letter_columns::headers(letter),
            detail: dead_letter_columns::detail(letter)?,
            content: Uuid::nil(),
        };
        row.content = row.hash();
        Ok(row)
    }

    /// A hash of all but when it was stored. Frozen: it must know a letter again that another version filed.
    fn hash(&self) -> Uuid {
        let mut all = Vec::new();
        let texts = [self.group_name, self.processor, self.namespace, self.class, self.topic, &self.detail];
        let bytes = [self.key, self.value, self.headers.as_deref()];
        for field in texts.map(|text| Some(text.as_bytes())).into_iter().chain(bytes) {
            // Its length goes first, so that no two lists of fields are one; a null is longer than anything.
            all.extend_from_slice(&field.map_or(u64::MAX, |field| field.len() as u64).to_be_bytes());
            all.extend_from_slice(field.unwrap_or_default());
        }
        for number in [self.part, self.off, self.timestamp_ms] {
            all.extend_from_slice(&number.to_be_bytes());
        }
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &all)
    }
}

/// A dead letter as it is read.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = dead_letters)]
struct Row {
    id: i64,
    stored_ms: i64,
    group_name: String,
    processor: String,
    namespace: String,
    class: String,
    topic: String,
    part: i64,
    off: i64,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Option<Vec<u8>>,
    detail: String,
}

impl Row {
    fn stored(self) -> Result<StoredDeadLetter, String> {
        let (id, stored) = (DeadLetterId(self.id), Timestamp(self.stored_ms));
        let columns = Columns {
            group_name: self.group_name,
            processor: self.processor,
            namespace: self.namespace,
            class: self.class,
            topic: self.topic,
            part: self.part,
            off: self.off,
            timestamp_ms: self.timestamp_ms,
            key: self.key.map(Into::into),
            value: self.value.map(Into::into),
            headers: self.headers.map(Into::into),
            detail: self.detail,
        };
        let letter = columns.letter().map_err(|what| format!("dead letter {}: {what}", id.0))?;
        Ok(StoredDeadLetter { id, stored, letter })
    }
}
