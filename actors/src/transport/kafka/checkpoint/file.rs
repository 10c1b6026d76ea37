//! A checkpoint's file: the mark, and one row for each key. Rows and mark change in one transaction, and the mark has a sum of all
//! rows, so that a file is whole or known not to be.

mod rows;
mod schema;

use std::{fs::File, io, time::Duration};

use diesel::{SqliteConnection, connection::SimpleConnection, prelude::*, sql_query, sql_types::BigInt};

use self::rows::{MarkRow, RecordRow};
use super::{
    mark::Mark,
    place::Place,
    row::{Merged, Row, merge},
};
use crate::transport::sqlite_file::{establish, is_of_the_disk};

/// "pfcp": what SQLite keeps in the file's header as the program that made it.
const APPLICATION_ID: i64 = 0x7066_6370;
/// The form of the file, and the meaning of what is in it. A file of another one is left as it is, and not used.
pub(super) const VERSION: i64 = 1;

const NOT_AS_WRITTEN: &str = "a row is not as it was written";

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It may be sound another time.
    #[error("{0}")]
    Disk(String),
    /// It never will be.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It is for somebody else to use.
    #[error("{0}")]
    Foreign(String),
    /// For somebody else has it, or has written it meanwhile.
    #[error("another process has it")]
    InUse,
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error.to_string())
    }
}

impl From<diesel::result::Error> for FileError {
    fn from(error: diesel::result::Error) -> Self {
        said(error.to_string())
    }
}

/// What SQLite's words mean.
fn said(problem: String) -> FileError {
    if is_of_the_disk(&problem) || problem.contains("locked") {
        FileError::Disk(problem)
    } else {
        FileError::Damaged(problem)
    }
}

/// The mark of a file, and what its rows add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) mark: Mark,
    /// How many rows there are.
    rows: i64,
    /// The sum of their checksums.
    sum: i64,
    /// What was thrown away last: removals that are older than this, in milliseconds since 1970; rows below this offset.
    pub(super) tidied: (i64, i64),
}

/// What a file is to have from now on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// The mark that the file has; `None` if there is none.
    pub(super) before: Option<Mark>,
    pub(super) mark: Mark,
    /// Removals that were written before this instant, in milliseconds since 1970, and rows below this offset are not in the
    /// log any more, or need not be.
    pub(super) tidy: (i64, i64),
}

/// A file that is open, and the lock that goes with it.
pub(super) struct Opened {
    // Before the lock: it is closed first.
    connection: SqliteConnection,
    _lock: File,
    topic: String,
    partition: i64,
}

impl Opened {
    /// For reading; `None` if there is nothing.
    pub(super) fn shared(place: &Place, topic: &str, partition: u32) -> Result<Option<Self>, FileError> {
        if !place.is_there() {
            return Ok(None);
        }
        let lock = place.share()?.ok_or(FileError::InUse)?;
        if !place.is_there() {
            return Ok(None);
        }
        Self::open(place, lock, topic, partition).map(Some)
    }

    /// For writing; made if it is not there.
    pub(super) fn claimed(place: &Place, topic: &str, partition: u32) -> Result<Self, FileError> {
        let lock = place.claim()?.ok_or(FileError::InUse)?;
        Self::open(place, lock, topic, partition)
    }

    fn open(place: &Place, lock: File, topic: &str, partition: u32) -> Result<Self, FileError> {
        // Also for reading: what a process left that was killed while it wrote has to be taken back.
        let mut connection = establish(&place.file, "mode=rwc").map_err(|error| said(error.to_string()))?;
        connection.batch_execute(
            "PRAGMA page_size = 8192;
             PRAGMA journal_mode = DELETE;
             PRAGMA synchronous = FULL;
             PRAGMA busy_timeout = 5000;
             PRAGMA cache_size = -8192;
             PRAGMA temp_store = MEMORY;",
        )?;
        let mut opened = Self { connection, _lock: lock, topic: topic.into(), partition: partition.into() };
        opened.check_version()?;
        Ok(opened)
    }

    fn check_version(&mut self) -> Result<(), FileError> {
        let (application, version) = (
            self.header("pragma_application_id", "application_id")?,
            self.header("pragma_user_version", "user_version")?,
        );
        if (application, version) == (0, 0) && self.header("sqlite_schema", "count(*)")? == 0 {
            return Ok(());
        }
        if application != APPLICATION_ID {
            return Err(FileError::Foreign("pandaflow did not make it".into()));
        }
        if version != VERSION {
            return Err(FileError::Foreign(format!(
                "it is of version {version}, and this program makes {VERSION}"
            )));
        }
        Ok(())
    }

    fn header(&mut self, from: &str, column: &str) -> Result<i64, FileError> {
        #[derive(QueryableByName)]
        struct Number {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let query = sql_query(format!("SELECT {column} AS number FROM {from}"));
        Ok(query.get_result::<Number>(&mut self.connection)?.number)
    }

    /// How far it has come; `None` if it is new.
    pub(super) fn stored(&mut self) -> Result<Option<Stored>, FileError> {
        if self.header("sqlite_schema", "count(*)")? == 0 {
            return Ok(None);
        }
        let found: Vec<MarkRow> =
            schema::mark::table.select(MarkRow::as_select()).load(&mut self.connection)?;
        let [row] = &found[..] else {
            return Err(FileError::Damaged(format!("it has {} marks", found.len())));
        };
        let stored =
            row.checked().ok_or_else(|| FileError::Damaged("its mark is not as it was written".into()))?;
        if row.topic != self.topic || row.part != self.partition {
            return Err(FileError::Foreign(format!("it is of {}[{}]", row.topic, row.part)));
        }
        Ok(Some(stored))
    }

    /// Reads all rows, in the order of their keys' first writing. If it fails, what was told by then is to be forgotten.
    pub(super) fn load(&mut self, stored: &Stored, mut each: impl FnMut(Row)) -> Result<(), FileError> {
        let query = schema::records::table.select(RecordRow::as_select());
        let (mut rows, mut sum) = (0_i64, 0_i64);
        for row in
            query.load_iter::<RecordRow, diesel::connection::DefaultLoadingMode>(&mut self.connection)?
        {
            let row = row?;
            rows += 1;
            sum = sum.wrapping_add(row.crc);
            each(row.checked().ok_or_else(|| FileError::Damaged(NOT_AS_WRITTEN.into()))?);
        }
        if (rows, sum) == (stored.rows, stored.sum) {
            return Ok(());
        }
        Err(FileError::Damaged(format!("it has {rows} rows, and should have {}, or others", stored.rows)))
    }

    /// Takes rows in and sets the mark, all of it or nothing.
    ///
    /// # Errors
    /// [`FileError::InUse`]: its mark is not the one that was read, so that the rows don't follow what is there.
    pub(super) fn change(&mut self, change: &Change, rows: Vec<Row>) -> Result<(), FileError> {
        let stored = self.stored()?;
        if stored.map(|stored| stored.mark) != change.before {
            return Err(FileError::InUse);
        }
        let (topic, partition) = (self.topic.clone(), self.partition);
        self.connection.immediate_transaction(|connection| {
            let mut total = Total::default();
            match stored {
                Some(stored) => (total.rows, total.sum) = (stored.rows, stored.sum),
                None => connection.batch_execute(&format!(
                    "{} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};",
                    schema::CREATE
                ))?,
            }
            rows.into_iter().try_for_each(|row| put(connection, row, &mut total))?;
            if stored.is_none_or(|stored| is_worth_tidying(stored.tidied, change.tidy)) {
                tidy(connection, change.tidy, &mut total)?;
                total.tidied = Some(change.tidy);
            }
            let tidied = total.tidied.or(stored.map(|stored| stored.tidied)).unwrap_or(change.tidy);
            let stored = Stored { mark: change.mark, rows: total.rows, sum: total.sum, tidied };
            let mark = MarkRow::of(&topic, partition, &stored);
            diesel::replace_into(schema::mark::table).values(&mark).execute(connection)?;
            Ok(())
        })
    }
}

/// What rows add up to.
#[derive(Default)]
struct Total {
    rows: i64,
    sum: i64,
    tidied: Option<(i64, i64)>,
}

impl Total {
    fn with(&mut self, crc: i64) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(crc);
    }

    fn without(&mut self, crc: i64) {
        self.rows -= 1;
        self.sum = self.sum.wrapping_sub(crc);
    }
}

fn put(connection: &mut SqliteConnection, row: Row, total: &mut Total) -> Result<(), FileError> {
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
fn is_worth_tidying(before: (i64, i64), now: (i64, i64)) -> bool {
    const HOUR: i64 = Duration::from_secs(3600).as_millis() as i64;
    now.0 - before.0 >= HOUR || now.1 > before.1
}

fn tidy(
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

#[cfg(test)]
mod tests;
