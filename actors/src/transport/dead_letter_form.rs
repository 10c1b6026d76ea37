//! How a dead letter is stored, wherever it is: what is told of it beside its record, in versioned JSON.

use pandaflow::{
    DeadLetter, ErrorClass, EventId, FailureKind, Group, NamespaceError, Record, ReplayAdvice, Timestamp,
};
use serde::{Deserialize, Serialize};

const DETAIL_VERSION: u32 = 1;

/// What is told of a dead letter beside its record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Detail {
    version: u32,
    event_id: Option<EventId>,
    kind: FailureKind,
    error_type: String,
    message: String,
    chain: Vec<String>,
    fingerprint: String,
    attempts: u32,
    first_failed: Timestamp,
    last_failed: Timestamp,
    replay: ReplayAdvice,
}

impl Detail {
    pub(super) fn of(letter: &DeadLetter) -> Self {
        Self {
            version: DETAIL_VERSION,
            event_id: letter.event_id,
            kind: letter.kind,
            error_type: letter.error_type.clone(),
            message: letter.message.clone(),
            chain: letter.chain.clone(),
            fingerprint: letter.fingerprint.clone(),
            attempts: letter.attempts,
            first_failed: letter.first_failed,
            last_failed: letter.last_failed,
            replay: letter.replay,
        }
    }

    /// The letter of a record, of whose event this is told.
    ///
    /// # Errors
    /// The detail is of a version that this program doesn't know, or the namespace has no lawful name.
    pub(super) fn letter(
        self,
        record: Record,
        group: &str,
        processor: String,
        namespace: &str,
        class: ErrorClass,
    ) -> Result<DeadLetter, String> {
        if self.version != DETAIL_VERSION {
            return Err(format!("its detail is of version {}, known is {DETAIL_VERSION}", self.version));
        }
        Ok(DeadLetter {
            record,
            group: Group::from(group),
            processor,
            namespace: namespace.parse().map_err(|error: NamespaceError| error.to_string())?,
            event_id: self.event_id,
            class,
            kind: self.kind,
            error_type: self.error_type,
            message: self.message,
            chain: self.chain,
            fingerprint: self.fingerprint,
            attempts: self.attempts,
            first_failed: self.first_failed,
            last_failed: self.last_failed,
            replay: self.replay,
        })
    }
}
