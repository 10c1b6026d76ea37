//! Changing the rows of a file, and what they add up to.

use std::time::Duration;

use diesel::{SqliteConnection, prelude::*};

use super::{FileError, NOT_AS_WRITTEN, Stored, rows::RecordRow, schema};
use crate::transport::kafka::checkpoint::row::{Merged, Row, merge};

/// What rows add up to.
#[derive(Default)]
pub(super) struct Total {
    pub(super) rows: i64,
    pub(super) sum: i64,
}

impl Total {
    pub(super) fn of(stored: &Stored) -> Self {
        Self { rows: stored.rows, sum: stored.sum }
    }

    fn with(&mut self, crc: i64) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(crc);
    }

    fn without(&mut self, crc: i64) {
        self.rows -= 1;
        self.sum = self.sum.wrapping_sub(crc);
    }
}

/// Takes a row in, by what is known of its key.
pub(super) fn put(connection: &mut SqliteConnection, row: Row, total: &mut Total) -> Result<(), FileError> {
    use schema::records::dsl::{crc, key, overwritten, records};
    let known = records.filter(key.eq(&row.key[..])).select(RecordRow::as_select());
    let known: Option<RecordRow> = known.first(connection).optional()?;
    let name = row.key.clone();
    let before = known.as_ref().map(|known| known.epoch.cast_unsigned());
    match merge(before, row) {
        Merged::CoveredUp => {
            let Some(known) = known else { return Ok(()) };
            total.without(known.crc);
            let known = known.covered_up().ok_or_else(|| FileError::Damaged(NOT_AS_WRITTEN.into()))?;
            total.with(known.crc);
            let covered = (overwritten.eq(true), crc.eq(known.crc));
            diesel::update(records.filter(key.eq(&name[..]))).set(covered).execute(connection)?;
        }
        Merged::Ended => {
            if let Some(known) = known {
                total.without(known.crc);
                diesel::delete(records.filter(key.eq(&name[..]))).execute(connection)?;
            }
        }
        Merged::Replaced(row) => {
            if let Some(known) = known {
                total.without(known.crc);
            }
            let row = RecordRow::of(row);
            total.with(row.crc);
            diesel::replace_into(records).values(&row).execute(connection)?;
        }
    }
    Ok(())
}

/// It takes a look at all rows: once an hour is enough, or when the log begins elsewhere.
pub(super) fn is_worth_tidying(before: (i64, i64), now: (i64, i64)) -> bool {
    const HOUR: i64 = Duration::from_secs(3600).as_millis() as i64;
    now.0 - before.0 >= HOUR || now.1 > before.1
}

/// Throws away removals that were written before an instant, and rows below an offset.
pub(super) fn tidy(
    connection: &mut SqliteConnection,
    (written, first): (i64, i64),
    total: &mut Total,
) -> Result<(), FileError> {
    use schema::records::dsl::{crc, off, overwritten, records, value, written_ms};
    let removed = value.is_null().and(written_ms.lt(written));
    let gone = removed.or(off.lt(first)).and(overwritten.eq(false));
    let sums: Vec<i64> = records.filter(gone).select(crc).load(connection)?;
    if sums.is_empty() {
        return Ok(());
    }
    sums.into_iter().for_each(|sum| total.without(sum));
    diesel::delete(records.filter(gone)).execute(connection)?;
    Ok(())
}
