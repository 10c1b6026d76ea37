//! Reads the settings of a program from its process: the environment, and `.env` in the working folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pandaflow::settings::{Loader, Settings, SettingsErrors, Source};

/// Settings that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// Values are wrong; all of them are listed.
    #[error(transparent)]
    Settings(#[from] SettingsErrors),
    /// `.env` is there and can't be read.
    #[error(".env can't be read: {0}; mend it or take it away")]
    DotEnv(io::Error),
    /// A folder that a setting names can't be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// A folder that a setting names can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {what}")]
#[non_exhaustive]
pub struct FolderError {
    /// The setting.
    pub setting: &'static str,
    /// What is wrong with it, and what would be right.
    pub what: String,
}

/// Reads the settings: `.env` first, and the environment over it.
///
/// # Errors
/// [`EnvironmentError`], with everything that is wrong.
pub fn read_settings(loader: &Loader) -> Result<Settings, EnvironmentError> {
    let dotenv = match fs::read(".env") {
        Ok(bytes) => text_of(bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(EnvironmentError::DotEnv(error)),
    };
    // Not `vars`, which panics where any variable of the process is not UTF-8.
    Ok(loader.load(std::env::vars_os(), &dotenv)?)
}

/// The text of `.env`, or the line where it is none.
fn text_of(bytes: Vec<u8>) -> Result<String, EnvironmentError> {
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        EnvironmentError::DotEnv(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("line {line} is not UTF-8"),
        ))
    })
}

/// Where the data of a program lies: where DATABASE__URL says, else in `default`, also if it names a server.
#[must_use]
pub fn data_folder(settings: &Settings, default: &Path) -> PathBuf {
    let said = |one: &pandaflow::settings::InForce| {
        one.variable == "DATABASE__URL" && !matches!(one.source, Source::Default)
    };
    let path = settings.database.url.path().filter(|_| settings.in_force().iter().any(said));
    path.unwrap_or(default).to_owned()
}

/// The folder for checkpoints, if the settings name one. It is made if it is not there.
///
/// # Errors
/// It can't be made, or not written.
pub(crate) fn checkpoint_folder(settings: &Settings) -> Result<Option<PathBuf>, FolderError> {
    let Some(folder) = &settings.kafka.checkpoint_dir else { return Ok(None) };
    match write_into(folder) {
        Ok(()) => Ok(Some(folder.clone())),
        Err(error) => Err(FolderError {
            setting: "KAFKA__CHECKPOINT_DIR",
            what: format!(
                "{} can't be written: {error}; write the path of a folder that this program may write, or leave it empty",
                folder.display()
            ),
        }),
    }
}

/// Finds out whether a folder can be written, and makes it if it is not there.
fn write_into(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let probe = folder.join(format!(".probe-{}", uuid::Uuid::now_v7().simple()));
    fs::File::create(&probe)?;
    fs::remove_file(&probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_for_checkpoints_is_made_or_its_setting_named() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            |path: &Path| Settings::load([("KAFKA__CHECKPOINT_DIR", path.to_str().unwrap())], "").unwrap();
        assert_eq!(checkpoint_folder(&Settings::default()), Ok(None));
        let made = folder.path().join("made/below");
        assert_eq!(checkpoint_folder(&settings(&made)), Ok(Some(made.clone())));
        assert_eq!(fs::read_dir(&made).unwrap().count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = checkpoint_folder(&settings(&file.join("below"))).unwrap_err().to_string();
        assert!(
            error.starts_with("KAFKA__CHECKPOINT_DIR: ") && error.contains("can't be written"),
            "{error}"
        );
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named() {
        assert_eq!(text_of(b"A=1\n".to_vec()).unwrap(), "A=1\n");
        let error = text_of(b"A=1\nB=\xff\n".to_vec()).unwrap_err().to_string();
        assert!(error.contains("line 2 is not UTF-8"), "{error}");
    }
}
