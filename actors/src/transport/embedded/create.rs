//! Making a new file, and bringing an older one up to date.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use diesel::{SqliteConnection, connection::SimpleConnection};
use diesel_migrations::MigrationHarness;

use super::{
    EmbeddedConfig, OpenError,
    connection::open_writer,
    place::{FolderLock, Place},
    schema::MIGRATIONS,
};

/// Makes a new file beside and moves it to its place when it is whole, so that a crash meanwhile leaves none, and a
/// file that is empty or cut is always a damaged one.
///
/// # Errors
/// A write-ahead log lies there that a process left which was killed: the file that it belongs to was taken away.
pub(super) fn create(place: &Place, lock: &FolderLock) -> Result<(), OpenError> {
    let wal = place.wal();
    if wal.exists() && lock.was_left_open().map_err(io(&wal))? {
        let problem = format!(
            "it is missing, though its write-ahead log {} is there: what was committed last is in there, and of no use without the file",
            wal.display()
        );
        return Err(OpenError::Damaged { file: place.file.clone(), problem });
    }
    // What a removal left that was cut short: SQLite would read it into the new file.
    for stale in [wal, place.beside("-shm")] {
        if stale.exists() {
            fs::remove_file(&stale).map_err(io(&stale))?;
        }
    }
    let draft = place.beside(".new");
    for suffix in ["", "-wal", "-shm"] {
        let mut path = draft.clone().into_os_string();
        path.push(suffix);
        let path = PathBuf::from(path);
        if path.exists() {
            fs::remove_file(&path).map_err(io(&path))?;
        }
    }
    let database = |message| OpenError::Database { file: draft.clone(), message };
    let mut connection = open_writer(&draft, &EmbeddedConfig::default()).map_err(database)?;
    migrate(&mut connection).map_err(database)?;
    connection
        .batch_execute("PRAGMA wal_checkpoint(TRUNCATE);")
        .map_err(|error| database(error.to_string()))?;
    drop(connection);
    File::open(&draft).and_then(|file| file.sync_all()).map_err(io(&draft))?;
    fs::rename(&draft, &place.file).map_err(io(&place.file))?;
    File::open(&place.folder).and_then(|folder| folder.sync_all()).map_err(io(&place.folder))
}

/// Runs the migrations that the file has not seen.
pub(super) fn migrate(connection: &mut SqliteConnection) -> Result<(), String> {
    connection.run_pending_migrations(MIGRATIONS).map(drop).map_err(|error| error.to_string())
}

/// Commits a change that changes nothing, so that the write-ahead log is there from now on.
pub(super) fn first_commit(connection: &mut SqliteConnection) -> Result<(), String> {
    connection.batch_execute("PRAGMA user_version = 1;").map_err(|error| error.to_string())
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}
