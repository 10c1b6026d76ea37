//! Removing the data of earlier runs.

use std::{fs, io, path::Path};

use super::{EmbeddedTransport, OpenError, place::Place};

impl EmbeddedTransport {
    /// Deletes the data in a folder or file as [`EmbeddedTransport::open`] takes it, and nothing else that lies
    /// there. If there is none, nothing is done.
    ///
    /// # Errors
    /// Another process has it, or the disk says no.
    pub fn remove(path: impl AsRef<Path>) -> Result<(), OpenError> {
        let place = Place::of(path.as_ref());
        if !place.folder.exists() {
            return Ok(());
        }
        // Held until all is gone, so that no process begins on half of it.
        let _lock = place.lock()?;
        for file in [place.file.clone(), place.wal(), place.beside("-shm"), place.beside(".lock")] {
            match fs::remove_file(&file) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(OpenError::Io { path: file, source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
