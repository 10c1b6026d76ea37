//! The parts of a command line that every program has: `dead-letters`, `config` and `topics`.

mod config;
mod dead_letters;
mod topics;

pub use config::ConfigCommand;
pub use dead_letters::{DeadLettersArguments, DeadLettersCommand, DeadLettersError};
pub use topics::{NO_KAFKA, TopicsCommand, topics};

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

/// The exit code for what the user has to mend: a bad setting, file or option.
pub const USAGE: u8 = 2;

/// Prints a message to standard error, for what the user has to mend, and gives exit code 2.
pub fn refuse(message: impl Display) -> ExitCode {
    warn(format_args!("error: {message}"));
    ExitCode::from(USAGE)
}

/// Prints a line to standard error. If nobody reads there any more, it is lost, and nothing else happens.
pub fn warn(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints text to standard output. A reader who has left early is no fault; anything else is, with exit code 1.
pub fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            warn(format_args!("error: standard output can't be written: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints an answer to standard output, or what went wrong as [`refuse`] does.
pub fn answer<E: Display>(result: Result<String, E>) -> ExitCode {
    match result {
        Ok(text) => print(&text),
        Err(error) => refuse(error),
    }
}
