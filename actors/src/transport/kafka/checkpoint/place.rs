//! Where the checkpoint of a partition lies, and the lock that lets one process write it while nobody reads it.

use std::{
    ffi::OsString,
    fmt::Write,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long somebody else may have a file before it is done without.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// The paths of one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: PathBuf,
}

impl Place {
    /// In a folder of the topic, by its name on the broker.
    pub(super) fn of(folder: &Path, on_broker: &str, partition: u32) -> Self {
        Self { file: folder.join(file_name(on_broker)).join(format!("{partition}.db")) }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.file);
        name.push(suffix);
        name.into()
    }

    /// Lets others read, and nobody write. `None` if somebody has it for too long.
    pub(super) fn share(&self) -> io::Result<Option<File>> {
        wait_for(&self.lock_file()?, File::try_lock_shared)
    }

    /// Lets nobody read or write. `None` if somebody has it for too long.
    pub(super) fn claim(&self) -> io::Result<Option<File>> {
        wait_for(&self.lock_file()?, File::try_lock)
    }

    /// Whether there may be something to read.
    pub(super) fn is_there(&self) -> bool {
        fs::metadata(&self.file).is_ok_and(|found| found.len() > 0)
    }

    /// Takes the file away. Whoever calls has claimed it.
    pub(super) fn remove(&self) -> io::Result<()> {
        // What SQLite left beside goes first: it would be played back into the next file.
        for path in [self.beside("-journal"), self.file.clone()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The kernel frees its lock when the process ends, however it ends.
    fn lock_file(&self) -> io::Result<File> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        File::options().create(true).truncate(false).read(true).write(true).open(self.beside(".lock"))
    }
}

fn wait_for(file: &File, lock: impl Fn(&File) -> Result<(), TryLockError>) -> io::Result<Option<File>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match lock(file) {
            Ok(()) => return file.try_clone().map(Some),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// A name with what a file system may not take written as % and two digits. Upper case is written so as well: some file systems
/// don't tell it from lower case.
fn file_name(on_broker: &str) -> String {
    let mut name = String::new();
    for byte in on_broker.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            _ => {
                let _ = write!(name, "%{byte:02x}");
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_topic_has_a_folder_of_its_own_below_the_one_of_all() {
        assert_eq!(
            Place::of(Path::new("/c"), "t1-pandaflow.paper.risk.changelog", 7).file,
            Path::new("/c/t1-pandaflow.paper.risk.changelog/7.db")
        );
        assert_eq!(file_name("A.b"), "%41.b");
        let names = ["a", "A", "..", ".", "../a", "%41", "a/b", "\u{e9}"].map(file_name);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| !name.starts_with('.') && !name.contains('/')), "{names:?}");
    }

    #[test]
    fn one_may_write_or_several_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(folder.path(), "t", 0);
        let read = place.share().unwrap().unwrap();
        let other = place.share().unwrap().expect("others may read as well");
        drop((read, other));
        let claimed = place.claim().unwrap().unwrap();
        assert!(place.share().unwrap().is_none());
        drop(claimed);
        assert!(place.claim().unwrap().is_some());
    }
}
