//! The parts of a command line that every program has: `dead-letters`, `config` and `topics`.

mod config;
mod dead_letters;
mod topics;

pub use config::ConfigCommand;
pub use dead_letters::DeadLettersCommand;
pub use topics::topics;

use std::{fmt::Display, process::ExitCode};

/// The exit code for what the user has to mend: a bad setting, file or option.
pub const USAGE: u8 = 2;

/// Prints a message to standard error, for what the user has to mend, and gives exit code 2.
pub fn refuse(message: impl Display) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(USAGE)
}

/// Prints an answer to standard output, or what went wrong as [`refuse`] does.
pub fn answer<E: Display>(result: Result<String, E>) -> ExitCode {
    match result {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => refuse(error),
    }
}
