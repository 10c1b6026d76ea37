//! Removing the data of earlier runs.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use super::{EmbeddedTransport, OpenError, place::Place};

impl EmbeddedTransport {
    /// Deletes the data in a folder or file as [`EmbeddedTransport::open`] takes it, and nothing else that lies
    /// there; the lock's file stays. If there is none, nothing is done.
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
        // Held until all is gone, so that no process begins on half of it. The lock's own file stays: whoever waits for it
        // would otherwise hold a file that is gone, and another process a new one.
        let lock = place.lock()?;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        lock.mark_closed().map_err(io(&place.file))?;
        let scratch = place.beside(".check");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(io(&scratch))?;
        }
        for file in [place.file.clone(), place.wal(), place.beside("-shm"), place.beside(".new")] {
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
    use crate::transport::embedded::EmbeddedConfig;

    #[actix::test]
    async fn all_that_a_run_leaves_is_deleted_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let transport = EmbeddedTransport::open(folder.path(), EmbeddedConfig::default()).unwrap();
        assert!(matches!(EmbeddedTransport::remove(folder.path()), Err(OpenError::InUse { .. })));
        pandaflow::ports::Transport::close(&transport).await;
        drop(transport);
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        fs::write(folder.path().join("pandaflow.db.new"), "half").unwrap();
        EmbeddedTransport::remove(folder.path()).unwrap();
        let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<_> = entries.collect();
        left.sort();
        assert_eq!(left, ["notes.txt", "pandaflow.db.lock"]);
    }

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
