//! A checkpoint's file: the mark, and one row for each key. Rows and mark change in one transaction, and the mark has a sum of all
//! rows, so that a file is whole or known not to be.

mod change;
mod rows;
mod schema;

use std::{fs::File, io};

use diesel::{SqliteConnection, connection::SimpleConnection, prelude::*, sql_query, sql_types::BigInt};

use self::{
    change::{Total, is_worth_tidying, put, tidy},
    rows::{MarkRow, RecordRow},
};
use super::{mark::Mark, place::Place, row::Row};
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
        // Also for reading: what a process left that was killed while it wrote has to be taken back. Nothing waits for the disk: what a
        // power cut spoils is found out by the checksums, and the log has it all, whose broker may be on the same disk.
        let mut connection = establish(&place.file, "mode=rwc").map_err(|error| said(error.to_string()))?;
        connection.batch_execute(
            "PRAGMA page_size = 8192;
             PRAGMA journal_mode = DELETE;
             PRAGMA synchronous = OFF;
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

    /// Reads all rows, in any order. If it fails, what was told by then is to be forgotten.
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
            let mut total = stored.map_or_else(Total::default, |stored| Total::of(&stored));
            if stored.is_none() {
                connection.batch_execute(&format!(
                    "{} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};",
                    schema::CREATE
                ))?;
            }
            rows.into_iter().try_for_each(|row| put(connection, row, &mut total))?;
            let mut tidied = stored.map_or(change.tidy, |stored| stored.tidied);
            if is_worth_tidying(tidied, change.tidy) {
                tidy(connection, change.tidy, &mut total)?;
                tidied = change.tidy;
            }
            let stored = Stored { mark: change.mark, rows: total.rows, sum: total.sum, tidied };
            let mark = MarkRow::of(&topic, partition, &stored);
            diesel::replace_into(schema::mark::table).values(&mark).execute(connection)?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
