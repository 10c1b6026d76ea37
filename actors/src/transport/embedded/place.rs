//! Where the files of an embedded transport lie, and the lock that keeps a second process out.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::OpenError;

/// The name of the file in a data folder.
const FILE_NAME: &str = "pandaflow.db";

/// A lock that is held is tried again for a fifth of a second: a process that was just killed may not be quite gone, and
/// one that is being started holds its parent's files for an instant.
const LOCK_TRIES: u32 = 21;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The paths of one embedded transport.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) file: PathBuf,
}

impl Place {
    /// `path` is the file if it is one or ends in `.db`, and otherwise the folder that holds `pandaflow.db`.
    pub(super) fn of(path: &Path) -> Self {
        let absolute = std::path::absolute(path);
        let path = absolute.as_deref().unwrap_or(path);
        let is_file = path.is_file() || (!path.is_dir() && path.extension().is_some_and(|end| end == "db"));
        if is_file {
            let folder = path.parent().unwrap_or(path).to_owned();
            Self { folder, file: path.to_owned() }
        } else {
            Self { folder: path.to_owned(), file: path.join(FILE_NAME) }
        }
    }

    /// A file beside, named after it.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.file);
        name.push(suffix);
        name.into()
    }

    /// The write-ahead log.
    pub(super) fn wal(&self) -> PathBuf {
        self.beside("-wal")
    }

    /// Makes the folder and locks it. The kernel frees the lock when the process ends, however it ends.
    pub(super) fn lock(&self) -> Result<FolderLock, OpenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        fs::create_dir_all(&self.folder).map_err(io(&self.folder))?;
        let path = self.beside(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io(&path))?;
        let mut tries = LOCK_TRIES;
        loop {
            tries -= 1;
            match file.try_lock() {
                Ok(()) => return Ok(FolderLock { file }),
                Err(TryLockError::WouldBlock) if tries > 0 => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::InUse { folder: self.folder.clone() });
                }
                Err(TryLockError::Error(source)) => return Err(OpenError::Io { path, source }),
            }
        }
    }
}

/// Holds a data folder until it is dropped. The lock file also says whether the last process ended cleanly: then
/// its write-ahead log is gone, and otherwise it must be there.
#[derive(Debug)]
pub(super) struct FolderLock {
    file: File,
}

const OPEN: &[u8] = b"open\n";
const CLOSED: &[u8] = b"closed\n";

impl FolderLock {
    /// Whether the last process committed something and did not end cleanly.
    pub(super) fn was_left_open(&self) -> io::Result<bool> {
        let mut text = Vec::new();
        (&self.file).seek(SeekFrom::Start(0))?;
        (&self.file).take(64).read_to_end(&mut text)?;
        Ok(text == OPEN)
    }

    /// Says that a write-ahead log with commits is there.
    pub(super) fn mark_open(&self) -> io::Result<()> {
        self.write(OPEN)
    }

    /// Says that none is needed. It must be on the disk before the write-ahead log is deleted.
    pub(super) fn mark_closed(&self) -> io::Result<()> {
        self.write(CLOSED)?;
        self.file.sync_data()
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        self.file.set_len(0)?;
        (&self.file).seek(SeekFrom::Start(0))?;
        (&self.file).write_all(text)
    }
}
