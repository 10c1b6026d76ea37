//! Reading a data folder from outside, also while a process runs on it.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use diesel::SqliteConnection;
use pandaflow::ports::{DeadLetterFilter, DeadLetterId, Lag, StoreError, StoredDeadLetter};

use super::{
    EmbeddedConfig, OpenError,
    check::check,
    connection::{open_immutable, open_reader},
    dead_letters, lag,
    place::Place,
};

/// A read-only view of a data folder, for command lines. It changes nothing; it takes the folder's lock while it checks
/// a file that no process has.
pub struct EmbeddedReport(Mutex<SqliteConnection>);

impl EmbeddedReport {
    /// Opens a data folder or file for reading. A file that no process has is checked first, as a start would; one that a
    /// process has was checked by that one.
    ///
    /// # Errors
    /// There is none, it is damaged, or not ours.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let place = Place::of(path.as_ref());
        if !place.file.is_file() {
            return Err(OpenError::Missing { file: place.file });
        }
        let database = |message| OpenError::Database { file: place.file.clone(), message };
        let lock = match place.lock() {
            Ok(lock) => Some(lock),
            Err(OpenError::InUse { .. }) => None,
            Err(error) => return Err(error),
        };
        let is_at_rest = match &lock {
            Some(lock) => {
                check(&place, lock, EmbeddedConfig::default().full_check_bytes)?;
                !place.wal().exists()
            }
            None => false,
        };
        // Without a write-ahead log there is nothing to look for beside the file, and nothing is left there.
        let open = if is_at_rest { open_immutable } else { open_reader };
        Ok(Self(Mutex::new(open(&place.file).map_err(database)?)))
    }

    /// Dead letters that pass the filter, newest first.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn dead_letters(&self, filter: DeadLetterFilter) -> Result<Vec<StoredDeadLetter>, StoreError> {
        dead_letters::list(&mut self.connection(), filter)
    }

    /// One dead letter; `None` if there is none with that number.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn dead_letter(&self, id: DeadLetterId) -> Result<Option<StoredDeadLetter>, StoreError> {
        dead_letters::show(&mut self.connection(), id)
    }

    /// How far each group is behind.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn lag(&self) -> Result<Vec<Lag>, StoreError> {
        lag::lag(&mut self.connection(), |_| true, &[])
    }

    fn connection(&self) -> std::sync::MutexGuard<'_, SqliteConnection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
