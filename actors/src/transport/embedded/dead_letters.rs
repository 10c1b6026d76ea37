//! Dead letters: written with the settlement of their event, read here.

use std::sync::Arc;

use diesel::prelude::*;
use futures_util::future::{self, BoxFuture, FutureExt};
use pandaflow::{
    DeadLetter,
    ports::{DeadLetterFilter, DeadLetterId, DeadLetterStore, Filing, StoreError, StoredDeadLetter},
};

use super::{connection::failed, inner::Inner, rows::DeadLetterRow, schema::dead_letters};

/// Keeps dead letters.
pub(super) struct EmbeddedDeadLetters(pub(super) Arc<Inner>);

impl DeadLetterStore for EmbeddedDeadLetters {
    fn file(&self, letter: DeadLetter) -> BoxFuture<'static, Result<Filing, StoreError>> {
        future::ready(Ok(Filing::WithSettlement(Box::new(letter)))).boxed()
    }

    fn list(
        &self,
        filter: DeadLetterFilter,
    ) -> BoxFuture<'static, Result<Vec<StoredDeadLetter>, StoreError>> {
        self.0.reports.run(move |connection| list(connection, filter))
    }

    fn show(&self, id: DeadLetterId) -> BoxFuture<'static, Result<Option<StoredDeadLetter>, StoreError>> {
        self.0.reports.run(move |connection| show(connection, id))
    }
}

/// Dead letters that pass the filter, newest first.
pub(super) fn list(
    connection: &mut SqliteConnection,
    filter: DeadLetterFilter,
) -> Result<Vec<StoredDeadLetter>, StoreError> {
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
    let mut query = dead_letters::table.order(dead_letters::id.desc()).limit(limit).into_boxed();
    if let Some(processor) = filter.processor {
        query = query.filter(dead_letters::processor.eq(processor));
    }
    if let Some(namespace) = filter.namespace {
        query = query.filter(dead_letters::namespace.eq(namespace));
    }
    if let Some(class) = filter.class {
        query = query.filter(dead_letters::class.eq(class.as_str()));
    }
    let rows: Vec<DeadLetterRow> = query.load(connection).map_err(failed("reading dead letters"))?;
    rows.into_iter().map(DeadLetterRow::stored).collect()
}

/// One dead letter.
pub(super) fn show(
    connection: &mut SqliteConnection,
    id: DeadLetterId,
) -> Result<Option<StoredDeadLetter>, StoreError> {
    let row: Option<DeadLetterRow> = dead_letters::table
        .find(id.0)
        .first(connection)
        .optional()
        .map_err(failed("reading a dead letter"))?;
    row.map(DeadLetterRow::stored).transpose()
}
