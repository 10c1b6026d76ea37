//! Removing the data of earlier runs.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

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
        if place.file.exists()
            && !is_ours(&place.file).map_err(|source| OpenError::Io { path: place.file.clone(), source })?
        {
            let problem = "it is no data of an earlier run, so it is not deleted; name a folder, or a file that ends in .db".into();
            return Err(OpenError::Foreign { file: place.file, problem });
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

/// Whether a file looks like one that [`EmbeddedTransport::open`] makes: named so, and empty or with SQLite's header.
fn is_ours(file: &Path) -> io::Result<bool> {
    let mut header = Vec::new();
    File::open(file)?.take(16).read_to_end(&mut header)?;
    let named = file.extension().is_some_and(|end| end == "db");
    Ok(named && (header.is_empty() || header == b"SQLite format 3\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_data_of_ours_is_not_deleted() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("feed.zip", &b"PK"[..]), ("notes.db", b"not a database at all")] {
            let file = folder.path().join(name);
            fs::write(&file, bytes).unwrap();
            assert!(matches!(EmbeddedTransport::remove(&file), Err(OpenError::Foreign { .. })));
            assert_eq!(fs::read(&file).unwrap(), bytes);
        }
    }
}
