//! What the metrics actor is told and asked.

use actix::Message;
use pandaflow::{ErrorClass, Namespace, ports::Restored};

use super::Telemetry;
use crate::health::TaskKey;

/// What has happened in a task.
#[derive(Debug, Clone, PartialEq, Message)]
#[rtype(result = "()")]
pub struct Observe(pub Telemetry);

/// A task has ended: its gauges vanish, its counts stay.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ForgetGauges(pub TaskKey);

/// Something that a service counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceCount {
    /// What stands in for the dedup store answered.
    DedupStandIn {
        /// `bypass` or `local`.
        policy: &'static str,
        /// For how many events.
        ids: u64,
    },
    /// The dedup store failed, or took too long.
    DedupStoreFailed,
    /// A dead letter was taken by its store.
    DeadLetterFiled {
        /// The processor that gave up.
        processor: String,
        /// Its namespace.
        namespace: Namespace,
        /// The class of the last failure.
        class: ErrorClass,
    },
    /// The dead-letter store failed, or took too long.
    DeadLetterStoreFailed,
    /// So many records wait in an outbox now.
    OutboxRows(u64),
    /// So many records have been read to bring back state and tables, since the process began.
    Restored(Restored),
}

/// A service counts something.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct CountService(pub ServiceCount);

/// Asks for all metrics in Prometheus' text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "String")]
pub struct RenderMetrics;
