//! Dead letters: events that were given up on, with everything needed to understand and replay them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ErrorClass, EventId, Failure, FailureKind, Group, Namespace, Record, Timestamp};

/// An event that was given up on. Key, value and headers are the exact bytes of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The record as it came in.
    pub record: Record,
    /// The consumer group that gave up on it.
    pub group: Group,
    /// The processor.
    pub processor: String,
    /// The namespace.
    pub namespace: Namespace,
    /// The event's id, where its bytes told it.
    pub event_id: Option<EventId>,
    /// The last failure's class.
    pub class: ErrorClass,
    /// In what way the last attempt failed.
    pub kind: FailureKind,
    /// The type of the last error.
    pub error_type: String,
    /// What the last error said.
    pub message: String,
    /// What its sources said, outermost first.
    pub chain: Vec<String>,
    /// The same for failures that are the same fault: 16 hexadecimal digits.
    pub fingerprint: String,
    /// How many attempts were made in all.
    pub attempts: u32,
    /// When the first attempt failed.
    pub first_failed: Timestamp,
    /// When the last attempt failed.
    pub last_failed: Timestamp,
    /// Whether and when a replay could help.
    pub replay: ReplayAdvice,
}

/// Whether and when a replay of a dead letter could help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayAdvice {
    /// Whether it may be replayed as it is; undecodable bytes may not.
    pub allowed: bool,
    /// How long to wait before: by class, 5 min transient, 15 min infrastructure, 30 min rate limit,
    /// 60 min business, 120 min authentication.
    pub after: Duration,
    /// How often it has been replayed.
    pub count: u32,
}

impl DeadLetter {
    /// The dead letter of a record whose last attempt failed so.
    #[must_use]
    pub fn new(from: &Origin<'_>, record: Record, failure: Failure, tries: Tries) -> Self {
        Self {
            fingerprint: fingerprint(from.processor, &failure),
            group: from.group.clone(),
            processor: from.processor.into(),
            namespace: from.namespace.clone(),
            event_id: from.event_id,
            class: failure.class,
            kind: failure.kind,
            error_type: failure.error_type,
            message: failure.message,
            chain: failure.chain,
            attempts: tries.attempts,
            first_failed: tries.first_failed,
            last_failed: tries.last_failed,
            replay: ReplayAdvice {
                allowed: failure.kind != FailureKind::Undecodable,
                after: suggested_delay(failure.class),
                count: 0,
            },
            record,
        }
    }
}

/// Who gave up on an event.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The consumer group.
    pub group: &'a Group,
    /// The processor.
    pub processor: &'a str,
    /// The namespace.
    pub namespace: &'a Namespace,
    /// The event's id, where its bytes told it.
    pub event_id: Option<EventId>,
}

/// How often and when an event was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// Attempts in all.
    pub attempts: u32,
    /// When the first failed.
    pub first_failed: Timestamp,
    /// When the last failed.
    pub last_failed: Timestamp,
}

fn suggested_delay(class: ErrorClass) -> Duration {
    Duration::from_secs(
        60 * match class {
            ErrorClass::Transient => 5,
            ErrorClass::Infrastructure => 15,
            ErrorClass::RateLimit => 30,
            ErrorClass::Business => 60,
            ErrorClass::Authentication => 120,
            ErrorClass::Poison => 0,
        },
    )
}

/// A hash of processor, class, error type and message, digits left out: they tell events apart, not faults.
fn fingerprint(processor: &str, failure: &Failure) -> String {
    let mut text = format!("{processor}\0{}\0{}\0", failure.class, failure.error_type);
    text.extend(failure.message.chars().filter(|c| !c.is_ascii_digit()));
    let hash = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes());
    hash.simple().to_string()[..16].to_owned()
}
