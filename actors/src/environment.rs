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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_utf8_is_named() {
        assert_eq!(text_of(b"A=1\n".to_vec()).unwrap(), "A=1\n");
        let error = text_of(b"A=1\nB=\xff\n".to_vec()).unwrap_err().to_string();
        assert!(error.contains("line 2 is not UTF-8"), "{error}");
    }
}
