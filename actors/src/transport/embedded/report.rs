//! Reading a data folder from outside, also while a process runs on it.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use diesel::SqliteConnection;
use pandaflow::ports::{DeadLetterFilter, DeadLetterId, Lag, StoreError, StoredDeadLetter};

use super::{OpenError, connection::open_reader, dead_letters, lag, place::Place};

/// A read-only view of a data folder, for command lines. It takes no lock and changes nothing.
pub struct EmbeddedReport(Mutex<SqliteConnection>);

impl EmbeddedReport {
    /// Opens a data folder or file for reading.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let place = Place::of(path.as_ref());
        if !place.file.is_file() {
            return Err(OpenError::Missing { file: place.file });
        }
        let database = |message| OpenError::Database { file: place.file.clone(), message };
        Ok(Self(Mutex::new(open_reader(&place.file).map_err(database)?)))
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
