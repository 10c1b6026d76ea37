//! The dead-letter service: takes events that were given up on to their store, and never loses one.
//!
//! A letter that its store does not take goes back to the task, which keeps the event unsettled and tries again.

mod actor;
mod handle;
mod messages;

pub use actor::DeadLetterActor;
pub use handle::{DeadLetterHandle, DeadLetterMailboxes};
pub use messages::{FileDeadLetter, ListDeadLetters, ShowDeadLetter};

use std::time::Duration;

use pandaflow::{Classify, DeadLetter, ErrorClass, ports::StoreError};

use crate::mailbox::MailboxError;

/// How the dead-letter service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterConfig {
    /// How long the store may take for an answer; 10 s by default.
    pub timeout: Duration,
    /// Letters being filed at once; 256 by default. Later ones wait their turn with their task.
    pub mailbox: usize,
}

impl Default for DeadLetterConfig {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), mailbox: 256 }
    }
}

/// Why the dead-letter service did not do what it was asked. All of them pass: try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// The store said no.
    #[error("the dead-letter store failed: {0}")]
    Store(#[from] StoreError),
    /// The store took too long. It may have taken the letter all the same: another try can store it twice.
    #[error("the dead-letter store did not answer within {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The actor has ended.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
}

impl Classify for DeadLetterError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Infrastructure
    }
}

/// A dead letter that was not filed, given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the dead letter of {} was not filed: {error}", letter.record.position())]
pub struct Unfiled {
    /// The letter.
    pub letter: DeadLetter,
    /// Why.
    #[source]
    pub error: DeadLetterError,
}

#[cfg(test)]
mod tests;
