//! Log files: one a channel, made with its first line, put aside and compressed when it has grown to its size.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use file_rotate::{ContentLimit, FileRotate, compression::Compression, suffix::AppendCount};
use pandaflow::settings::{Channel, Logging};

use super::LoggingError;

/// The files of all channels. The newest file put aside stays readable, older ones are compressed.
pub(super) struct Files {
    dir: PathBuf,
    max_size: usize,
    backups: usize,
    open: BTreeMap<Channel, FileRotate<AppendCount>>,
    /// The last write failed, which was told.
    failing: bool,
}

impl Files {
    /// Files in the folder that the settings name, which is made if it is not there.
    pub(super) fn open(settings: &Logging) -> Result<Self, LoggingError> {
        let dir = settings.dir.clone();
        fs::create_dir_all(&dir)
            .and_then(|()| can_write(&dir))
            .map_err(|source| LoggingError::Files { dir: dir.clone(), source })?;
        Ok(Self {
            dir,
            max_size: settings.max_size.bytes(),
            backups: settings.backups,
            open: BTreeMap::new(),
            failing: false,
        })
    }

    /// Writes a whole line. When files begin to fail or to work again, says so once.
    pub(super) fn write(&mut self, channel: Channel, line: &[u8]) -> Option<String> {
        let written = self.try_write(channel, line).or_else(|_| {
            // Opened anew, it knows what is there.
            self.open.remove(&channel);
            self.try_write(channel, line)
        });
        let dir = self.dir.display();
        match written {
            Ok(()) if self.failing => {
                self.failing = false;
                Some(format!("log files in {dir} can be written again"))
            }
            Err(why) if !self.failing => {
                self.failing = true;
                Some(format!(
                    "can't write log files in {dir}, their lines are lost until it works again: {why}"
                ))
            }
            _ => None,
        }
    }

    fn try_write(&mut self, channel: Channel, line: &[u8]) -> io::Result<()> {
        let path = self.dir.join(format!("{channel}.log"));
        self.look_after(channel, &path)?;
        let (max_size, backups) = (self.max_size, self.backups);
        let open = &mut self.open;
        // file-rotate asserts what it expects of the folder, and anybody may change that.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let file = open.entry(channel).or_insert_with(|| {
                let limit = ContentLimit::BytesSurpassed(max_size);
                FileRotate::new(&path, AppendCount::new(backups), limit, Compression::OnRotate(1), None)
            });
            // One write a line: a file is put aside between two writes only.
            file.write_all(line)
        }));
        outcome.unwrap_or_else(|_| Err(io::Error::other("the files of the folder are not as they were left")))
    }

    /// Sees to it that file-rotate finds what it left: anybody may tidy up the folder.
    fn look_after(&mut self, channel: Channel, path: &Path) -> io::Result<()> {
        match fs::metadata(path) {
            Ok(file) if file.len() > self.max_size as u64 => {
                // It is about to be put aside, which would panic over a missing older one.
                let known = self.open.get_mut(&channel).map(FileRotate::log_paths).unwrap_or_default();
                if known.iter().any(|older| !older.exists()) {
                    self.open.remove(&channel);
                }
            }
            Ok(_) => {}
            Err(_) => {
                // Where file-rotate can't open its file it takes lines without a word.
                fs::create_dir_all(&self.dir)?;
                fs::OpenOptions::new().create(true).append(true).open(path)?;
                self.open.remove(&channel);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Whether files can be made in a folder.
fn can_write(dir: &Path) -> io::Result<()> {
    let probe = dir.join(format!(".probe-{}", std::process::id()));
    fs::write(&probe, "")?;
    fs::remove_file(probe)
}

#[cfg(test)]
mod tests;
