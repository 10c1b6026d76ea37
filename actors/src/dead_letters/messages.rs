//! What the dead-letter actor is asked.

use actix::Message;
use pandaflow::{
    DeadLetter,
    ports::{DeadLetterFilter, DeadLetterId, Filing, StoredDeadLetter},
};

use super::DeadLetterError;

/// An event was given up on.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<Filing, DeadLetterError>")]
pub struct FileDeadLetter(pub DeadLetter);

/// Asks for dead letters, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<Vec<StoredDeadLetter>, DeadLetterError>")]
pub struct ListDeadLetters(pub DeadLetterFilter);

/// Asks for one dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "Result<Option<StoredDeadLetter>, DeadLetterError>")]
pub struct ShowDeadLetter(pub DeadLetterId);
