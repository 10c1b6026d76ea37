//! The dedup service: which events a group has handled, asked before a lane gets them.
//!
//! A task claims the ids of a batch, handles what is fresh, and says `done` once they are settled. The actor
//! puts a time limit on the store and decides what holds while the store is down.

mod actor;
mod desk;
mod handle;
mod local_marks;
mod messages;
mod store_watch;
mod turns;

pub use actor::DedupActor;
pub use handle::{DedupHandle, DedupMailboxes};
pub use messages::{ClaimEvents, EventsDone, FenceOwner, ReleaseEvents};

use std::time::Duration;

use pandaflow::{Classify, ErrorClass, ports::StoreError};

use crate::mailbox::MailboxError;

/// What holds while the dedup store is down. Where marks are not settled with everything else but written to the store, as on
/// Kafka, settlements go on without it only over [`DeferredMarks`](crate::transport::DeferredMarks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenDown {
    /// Calls fail; tasks try again and take in nothing meanwhile, and readiness says so. The default.
    #[default]
    Pause,
    /// Every event counts as fresh: duplicates are handled again. Each is counted.
    Bypass,
    /// A memory of this process answers, of as many ids; 100,000 by default. Of the time before the store went down it
    /// knows what is being handled still, and of other processes nothing. When every one of its ids is being handled, claims fail.
    Local {
        /// Ids kept at most.
        capacity: usize,
    },
}

impl WhenDown {
    /// [`WhenDown::Local`] with its default capacity of 100,000 ids.
    pub const LOCAL: Self = Self::Local { capacity: 100_000 };
}

/// How the dedup service behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupConfig {
    /// What holds while the store is down; [`WhenDown::Pause`] by default.
    pub when_down: WhenDown,
    /// How long the store may take for an answer; 5 s by default.
    pub timeout: Duration,
    /// When to give up for good on a call that was too late and goes on in the background; 60 s by default. Calls
    /// of the same owner wait behind it.
    pub abandon_after: Duration,
    /// How often a store that is down is asked whether it is back, where `when_down` gives answers in its
    /// place; every second by default.
    pub probe_every: Duration,
    /// Calls to the store at once; 64 by default. Later ones wait.
    pub in_progress: usize,
    /// Calls of each kind that wait for an answer at once; 1,024 by default. Later callers wait their turn.
    pub mailbox: usize,
}

impl Default for DedupConfig {
    fn default() -> Self {
        Self {
            when_down: WhenDown::Pause,
            timeout: Duration::from_secs(5),
            abandon_after: Duration::from_secs(60),
            probe_every: Duration::from_secs(1),
            in_progress: 64,
            mailbox: 1_024,
        }
    }
}

/// Why the dedup service did not do what it was asked. All of them pass: try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DedupError {
    /// The store said no.
    #[error("the dedup store failed: {0}")]
    Store(#[from] StoreError),
    /// The store took too long. A claim that it makes later is undone.
    #[error("the dedup store did not answer within {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The store is down, and all the ids that are kept in its place are being handled.
    #[error(
        "the dedup store is down, and all {capacity} ids that memory keeps in its place are being handled"
    )]
    LocalFull {
        /// The limit.
        capacity: usize,
    },
    /// The actor has ended.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
}

impl Classify for DedupError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Infrastructure
    }
}

#[cfg(test)]
mod tests;
