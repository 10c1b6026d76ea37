//! A second name for the file and its write-ahead log, so that SQLite can read both without touching what lies
//! beside them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::transport::embedded::{OpenError, place::Place};

/// A folder with links to the files (copies where the disk knows no links); removed when it is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    file: PathBuf,
}

impl Scratch {
    pub(super) fn of(place: &Place) -> Result<Self, OpenError> {
        let folder = place.beside(".check");
        let scratch = Self { file: folder.join("file.db"), folder };
        scratch.fill(place).map_err(|source| OpenError::Io { path: scratch.folder.clone(), source })?;
        Ok(scratch)
    }

    fn fill(&self, place: &Place) -> io::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::create_dir(&self.folder)?;
        link(&place.file, &self.file)?;
        link(&place.wal(), &self.folder.join("file.db-wal"))
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            log::warn!("removing {}: {error}; the next open does it", self.folder.display());
        }
    }
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}
