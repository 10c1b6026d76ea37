//! The health report, in the JSON form that others read.

use std::time::Duration;

use actix::dev::{MessageResponse, OneshotSender};
use pandaflow::Timestamp;
use serde::{Serialize, Serializer};

use super::{Details, ReadHealth};

/// How something is. Ordered from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Healthy,
    /// It works, with something missing.
    Degraded,
    /// It doesn't work.
    Failing,
}

/// How all is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthReport {
    /// The worst of all checks.
    pub status: Status,
    /// When it was read.
    #[serde(serialize_with = "rfc3339")]
    pub timestamp: Timestamp,
    /// Whether it may be given work.
    pub ready: bool,
    /// Whether it is worth keeping: if not, a restart may help.
    pub alive: bool,
    /// Every check, by component.
    pub checks: Vec<HealthCheck>,
}

/// How one component is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthCheck {
    /// Which.
    pub component: String,
    /// How it is.
    pub status: Status,
    /// That in words.
    pub message: String,
    /// How long it took to find out.
    #[serde(rename = "duration_ms", serialize_with = "millis")]
    pub took: Duration,
    /// More about it.
    pub details: Details,
}

impl<A: actix::Actor> MessageResponse<A, ReadHealth> for HealthReport {
    fn handle(self, _ctx: &mut A::Context, sender: Option<OneshotSender<Self>>) {
        if let Some(sender) = sender {
            // Whoever asked may have gone meanwhile.
            let _ = sender.send(self);
        }
    }
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn millis<S: Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}
