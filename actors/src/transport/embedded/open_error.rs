//! Why an embedded file can't be opened.

use std::{io, path::PathBuf};

/// Why an embedded file can't be opened. The files are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another transport of this one, has it.
    #[error("the data folder {} is in use by another process: stop that one, or choose another folder", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no file to read.
    #[error("there is no data in {}: nothing was run there yet, or it is another folder", .file.display())]
    Missing {
        /// The file that was looked for.
        file: PathBuf,
    },
    /// Bytes of it are not as they were written.
    #[error("{} is damaged: {problem}. It is left as it is; restore a copy, or start with an empty folder", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is broken.
        problem: String,
    },
    /// It is not one of ours, or too new.
    #[error("{} can't be used: {problem}", .file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What it is instead.
        problem: String,
    },
    /// The disk said no.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite said no.
    #[error("{}: {message}", .file.display())]
    Database {
        /// The file.
        file: PathBuf,
        /// What SQLite said.
        message: String,
    },
}
