//! Checking a file before it is opened for writing, so that a damaged one is left byte for byte as it is.
//!
//! In this order: the header and the length; the write-ahead log, if the last process was killed; the version; the schema;
//! SQLite's own `quick_check` of every page; the checksum of every row. The last two are bounded
//! ([`EmbeddedConfig::full_check_bytes`](super::EmbeddedConfig::full_check_bytes)): of a larger file they take the
//! small tables, and damage in the log, the state or the dedup marks is found when it is read: each row carries
//! a checksum, and a read fails with an error that names the row.

mod database;
mod header;
mod scratch;
mod verify;
mod wal;

use std::{fs, io};

use super::{
    OpenError,
    connection::{open_immutable, open_reader},
    place::{FolderLock, Place},
};
use crate::transport::sqlite_file::is_of_the_disk;
use scratch::Scratch;

/// A file that is damaged, unless it only could not be read now.
fn broken(place: &Place, problem: String) -> OpenError {
    let file = place.file.clone();
    if is_of_the_disk(&problem) {
        let message = format!(
            "it can't be checked now: {problem}. Is the disk full, or read-only? Nothing is known to be wrong with the data"
        );
        return OpenError::Database { file, message };
    }
    OpenError::Damaged { file, problem }
}

/// Checks the file without changing it or anything beside it.
pub(super) fn check(place: &Place, lock: &FolderLock, full_check_bytes: u64) -> Result<(), OpenError> {
    let damaged = |problem: String| broken(place, problem);
    let io = |source: io::Error| OpenError::Io { path: place.file.clone(), source };
    let wal_bytes = fs::metadata(place.wal()).map_or(0, |found| found.len());
    let is_hot = wal_bytes > wal::HEADER_BYTES;
    if lock.was_left_open().map_err(io)? && !is_hot {
        return Err(damaged(format!(
            "its write-ahead log {} is missing or empty, though the last process was killed: what was committed last is lost",
            place.wal().display()
        )));
    }
    let bytes = fs::metadata(&place.file).map_err(io)?.len();
    let header = header::read(&place.file, bytes).map_err(io)?.map_err(damaged)?;
    if header.application_id != header::APPLICATION_ID {
        return Err(OpenError::Foreign {
            file: place.file.clone(),
            problem: "it is a SQLite file, but pandaflow did not make it".into(),
        });
    }
    if is_hot {
        wal::audit(&place.wal(), header.page_bytes).map_err(io)?.map_err(damaged)?;
    } else {
        header.fits(bytes).map_err(damaged)?;
    }
    let is_full = bytes + wal_bytes <= full_check_bytes;
    if is_hot {
        let scratch = Scratch::of(place)?;
        let mut connection = open_reader(scratch.file()).map_err(damaged)?;
        database::check(place, &mut connection, is_full)
    } else {
        let mut connection = open_immutable(&place.file).map_err(damaged)?;
        database::check(place, &mut connection, is_full)
    }
}
