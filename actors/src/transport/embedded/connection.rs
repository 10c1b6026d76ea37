//! Connections to the file: one that writes, and read-only ones.

use std::path::Path;

use diesel::{SqliteConnection, connection::SimpleConnection};
use pandaflow::ports::StoreError;

use super::EmbeddedConfig;
use crate::transport::sqlite_file::establish;

/// The name of the store in errors.
pub(super) const STORE: &str = "embedded log";

/// Bytes a page: rows of a few hundred bytes to a few kilobytes stay whole.
pub(super) const PAGE_BYTES: u64 = 8192;

/// An error of the store.
pub(super) fn store_error(message: impl Into<String>) -> StoreError {
    StoreError { store: STORE, message: message.into() }
}

/// What SQLite said while doing `what`.
pub(super) fn failed(what: &str) -> impl Fn(diesel::result::Error) -> StoreError {
    move |error| store_error(format!("{what}: {error}"))
}

/// Opens for reading and writing. The commit of a transaction is on the disk when it returns
/// (`synchronous=FULL`), and 32 MiB of write-ahead log are copied into the file at a time.
pub(super) fn open_writer(file: &Path, config: &EmbeddedConfig) -> Result<SqliteConnection, String> {
    let mut connection = establish(file, "mode=rwc").map_err(|error| error.to_string())?;
    let pages = config.file_bytes.map_or(u64::from(u32::MAX) - 1, |bytes| bytes / PAGE_BYTES);
    connection
        .batch_execute(&format!(
            "PRAGMA page_size = {PAGE_BYTES};
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA busy_timeout = 10000;
             PRAGMA wal_autocheckpoint = 4096;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA cache_size = -65536;
             PRAGMA temp_store = MEMORY;
             PRAGMA foreign_keys = OFF;
             PRAGMA max_page_count = {pages};"
        ))
        .map_err(|error| error.to_string())?;
    Ok(connection)
}

/// Opens for reading while others may write.
pub(super) fn open_reader(file: &Path) -> Result<SqliteConnection, String> {
    read_only(file, "mode=ro")
}

/// Opens for reading a file that nobody changes: nothing is created or locked, and a write-ahead log is not seen.
pub(super) fn open_immutable(file: &Path) -> Result<SqliteConnection, String> {
    read_only(file, "mode=ro&immutable=1")
}

fn read_only(file: &Path, mode: &str) -> Result<SqliteConnection, String> {
    let mut connection = establish(file, mode).map_err(|error| error.to_string())?;
    connection
        .batch_execute("PRAGMA busy_timeout = 10000; PRAGMA cache_size = -16384; PRAGMA query_only = ON;")
        .map_err(|error| error.to_string())?;
    Ok(connection)
}
