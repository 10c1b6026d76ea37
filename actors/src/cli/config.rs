//! `config check` and `config print`.

use clap::Subcommand;
use pandaflow::settings::Loader;

use crate::{EnvironmentError, environment::checkpoint_folder, read_settings};

/// What to do with the settings.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Check all settings, and list everything that is wrong
    Check,
    /// Print every setting in force and where it comes from; secrets are hidden
    Print,
}

impl ConfigCommand {
    /// The text to print.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn run(self, loader: &Loader) -> Result<String, EnvironmentError> {
        let settings = read_settings(loader)?;
        Ok(match self {
            Self::Check => {
                checkpoint_folder(&settings)?;
                let passed_over = settings.passed_over().iter().map(|told| format!("note: {told}\n"));
                let valid = format!("all {} settings are valid\n", settings.in_force().len());
                passed_over.chain([valid]).collect()
            }
            Self::Print => settings.print(),
        })
    }
}
