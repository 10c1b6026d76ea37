//! What the health actor is told and asked.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use actix::Message;
use pandaflow::{Namespace, Partition, Timestamp};
use serde_json::Value;

use super::{HealthReport, Status};

/// One task: a processor, in a namespace, for one partition number. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey {
    /// The namespace.
    pub namespace: Namespace,
    /// The processor.
    pub processor: Arc<str>,
    /// The partition.
    pub partition: Partition,
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}[{}]", self.namespace, self.processor, self.partition)
    }
}

/// More about a component, by name.
pub type Details = BTreeMap<String, Value>;

/// How a component is. The last report of a component holds.
#[derive(Debug, Clone, PartialEq, Message)]
#[rtype(result = "()")]
pub struct ReportComponent {
    /// Its name, such as `database`.
    pub component: String,
    /// How it is. The process is not ready while a component is failing.
    pub status: Status,
    /// That in words.
    pub message: String,
    /// How long it took to find out.
    pub took: Duration,
    /// More about it.
    pub details: Details,
}

impl ReportComponent {
    /// A report without details.
    #[must_use]
    pub fn new(component: &str, status: Status, message: String) -> Self {
        let component = component.into();
        Self { component, status, message, took: Duration::ZERO, details: Details::new() }
    }
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskProgress {
    /// The task.
    pub task: TaskKey,
    /// Events that are not settled yet, those in flight included.
    pub lag: u64,
    /// Events settled so far, those that were parked once more when they have ended; it only rises.
    pub settled: u64,
    /// Events taken in and not settled.
    pub in_flight: u64,
    /// Events that are parked.
    pub parked: u64,
    /// What the whole task waits for on purpose, such as the dedup store or the next attempt. It doesn't count as
    /// standing still then, and the process is not ready.
    pub waits_for: Option<String>,
}

/// A task tells how far it is; to be sent every few seconds, also when nothing moves.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ReportProgress(pub TaskProgress);

/// A task has ended: it is no longer expected to move.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ForgetTask(pub TaskKey);

/// How a processor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessorState {
    /// It has been started and has no partitions yet: not ready.
    Starting,
    /// It has its partitions; none is fine where other processes have them all.
    Assigned {
        /// How many.
        partitions: u32,
    },
    /// Parts of it are started anew, within its restart budget.
    Restarting {
        /// What failed.
        reason: String,
    },
    /// It takes in nothing, on purpose.
    Paused {
        /// Why.
        reason: String,
    },
    /// It is over its restart budget and has been given up on: not ready.
    Failed {
        /// What failed last.
        reason: String,
    },
    /// It has ended as it should: no longer reported.
    Stopped,
}

/// A processor's state has changed.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ReportProcessor {
    /// The namespace.
    pub namespace: Namespace,
    /// The processor.
    pub processor: Arc<str>,
    /// How it is.
    pub state: ProcessorState,
}

/// Where the process is in its life. It begins with [`Phase::Starting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not all has been started: not ready.
    Starting,
    /// All has been started.
    Started,
    /// It is ending: not ready.
    Draining,
}

/// The process is in another phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ReportPhase(pub Phase);

/// The supervisor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct SupervisorBeat;

/// A source's poll loop turns.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct SourceBeat {
    /// Which, such as its consumer group.
    pub source: Arc<str>,
}

/// A source has been closed: it is no longer expected to beat.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ForgetSource {
    /// Which.
    pub source: Arc<str>,
}

/// Whether an arbiter's thread turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArbiterState {
    /// It does.
    Turning,
    /// A handler doesn't yield.
    Blocked {
        /// The processor whose handler it is.
        processor: String,
        /// For how long.
        since: Duration,
    },
}

/// An arbiter was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ReportArbiter {
    /// Which.
    pub arbiter: String,
    /// How it is.
    pub state: ArbiterState,
}

/// Asks how all is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "HealthReport")]
pub struct ReadHealth {
    /// Now, for the report.
    pub now: Timestamp,
}
