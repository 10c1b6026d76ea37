//! The health service: what runs, what it depends on and whether it moves, gathered from reports and read as
//! readiness and liveness.

mod actor;
mod book;
mod handle;
mod messages;
mod report;

pub use actor::HealthActor;
pub use book::{HealthBook, HealthLimits};
pub use handle::{HealthHandle, HealthMailboxes};
pub use messages::{
    ArbiterState, Details, ForgetSource, ForgetTask, Phase, ProcessorState, ReadHealth, ReportArbiter,
    ReportComponent, ReportPhase, ReportProcessor, ReportProgress, SourceBeat, SupervisorBeat, TaskKey,
    TaskProgress,
};
pub use report::{HealthCheck, HealthReport, Status};

/// How the health service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthConfig {
    /// When something counts as standing still.
    pub limits: HealthLimits,
    /// Reports that wait to be taken in; 4,096 by default. Progress and beats beyond are dropped: the next
    /// ones tell the same. Reads beyond wait their turn.
    pub mailbox: usize,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { limits: HealthLimits::default(), mailbox: 4_096 }
    }
}

#[cfg(test)]
mod tests;
