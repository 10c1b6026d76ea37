//! What is known of the process's health, and what follows from it. No clock in here: times are durations
//! since any fixed instant of the caller's.

mod checks;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use pandaflow::{Namespace, Timestamp};

use self::checks::{Blocks, Finding};
use super::{
    ArbiterState, HealthReport, Phase, ProcessorState, ReportArbiter, ReportComponent, ReportProcessor,
    Status, TaskKey, TaskProgress,
};

/// When something counts as standing still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthLimits {
    /// A task with lag that settles nothing for longer has stalled; 60 s by default.
    pub stall_after: Duration,
    /// A supervisor that doesn't beat for longer is stuck; 10 s by default.
    pub supervisor_after: Duration,
    /// A source that doesn't beat for longer is stuck; 30 s by default.
    pub source_after: Duration,
    /// The supervisor may take as long for its first beat; 30 s by default.
    pub startup_grace: Duration,
}

impl Default for HealthLimits {
    fn default() -> Self {
        Self {
            stall_after: Duration::from_secs(60),
            supervisor_after: Duration::from_secs(10),
            source_after: Duration::from_secs(30),
            startup_grace: Duration::from_secs(30),
        }
    }
}

/// All that was reported, as it holds now.
///
/// ```
/// use std::time::Duration;
/// use pandaflow::Timestamp;
/// use pandaflow_actors::health::{HealthBook, HealthLimits, Phase};
/// let mut book = HealthBook::new(HealthLimits::default());
/// book.supervisor_beat(Duration::ZERO);
/// assert!(!book.report(Duration::ZERO, Timestamp(0)).ready, "still starting");
/// book.phase(Phase::Started);
/// assert!(book.report(Duration::ZERO, Timestamp(0)).ready);
/// ```
#[derive(Debug)]
pub struct HealthBook {
    limits: HealthLimits,
    phase: Phase,
    components: BTreeMap<String, ReportComponent>,
    processors: BTreeMap<(Namespace, Arc<str>), ProcessorState>,
    tasks: HashMap<TaskKey, Followed>,
    supervisor: Option<Duration>,
    sources: BTreeMap<Arc<str>, Duration>,
    arbiters: BTreeMap<String, ArbiterState>,
}

/// A task's last progress, and since when it stands there.
#[derive(Debug)]
struct Followed {
    progress: TaskProgress,
    since: Duration,
}

impl HealthBook {
    /// An empty book of a process that is starting.
    #[must_use]
    pub fn new(limits: HealthLimits) -> Self {
        Self {
            limits,
            phase: Phase::Starting,
            components: BTreeMap::new(),
            processors: BTreeMap::new(),
            tasks: HashMap::new(),
            supervisor: None,
            sources: BTreeMap::new(),
            arbiters: BTreeMap::new(),
        }
    }

    /// Enters a component; the last report of each holds.
    pub fn component(&mut self, report: ReportComponent) {
        self.components.insert(report.component.clone(), report);
    }

    /// Enters a processor's state.
    pub fn processor(&mut self, report: ReportProcessor) {
        let key = (report.namespace, report.processor);
        if report.state == ProcessorState::Stopped {
            self.processors.remove(&key);
        } else {
            self.processors.insert(key, report.state);
        }
    }

    /// Enters the process's phase.
    pub fn phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Enters a task's progress at `now`.
    pub fn progress(&mut self, progress: TaskProgress, now: Duration) {
        let moved = |before: &Followed| {
            before.progress.settled != progress.settled
                || before.is_idle()
                || before.progress.waits_for.is_some()
        };
        let since = match self.tasks.get(&progress.task) {
            Some(before) if !moved(before) => before.since,
            _ => now,
        };
        self.tasks.insert(progress.task.clone(), Followed { progress, since });
    }

    /// Removes a task.
    pub fn forget_task(&mut self, task: &TaskKey) {
        self.tasks.remove(task);
    }

    /// Enters a beat of the supervisor at `now`.
    pub fn supervisor_beat(&mut self, now: Duration) {
        self.supervisor = Some(now);
    }

    /// Enters a beat of a source at `now`.
    pub fn source_beat(&mut self, source: Arc<str>, now: Duration) {
        self.sources.insert(source, now);
    }

    /// Removes a source.
    pub fn forget_source(&mut self, source: &Arc<str>) {
        self.sources.remove(source);
    }

    /// Enters an arbiter's state.
    pub fn arbiter(&mut self, report: ReportArbiter) {
        self.arbiters.insert(report.arbiter, report.state);
    }

    /// How all is at `now`, which is `timestamp` on the wall clock.
    #[must_use]
    pub fn report(&self, now: Duration, timestamp: Timestamp) -> HealthReport {
        let findings = self.findings(now);
        let alive = findings.iter().all(|finding| finding.blocks != Blocks::Liveness);
        let ready = findings.iter().all(|finding| finding.blocks == Blocks::Nothing);
        let checks: Vec<_> = findings.into_iter().map(|finding| finding.check).collect();
        let status = checks.iter().map(|check| check.status).max().unwrap_or(Status::Healthy);
        HealthReport { status, timestamp, ready, alive, checks }
    }

    fn findings(&self, now: Duration) -> Vec<Finding> {
        let mut findings = vec![checks::process(self.phase), self.supervisor_check(now)];
        findings.extend(self.sources.iter().map(|(source, beat)| {
            checks::beat(format!("source:{source}"), now.saturating_sub(*beat), self.limits.source_after)
        }));
        findings.extend(self.arbiters.iter().map(|(arbiter, state)| checks::arbiter(arbiter, state)));
        findings.extend(self.processors.iter().map(|(name, state)| checks::processor(name, state)));
        findings.extend(checks::progress(&self.tasks, now, self.limits.stall_after));
        findings.extend(self.components.values().map(checks::component));
        findings
    }

    fn supervisor_check(&self, now: Duration) -> Finding {
        let (quiet, limit) = match self.supervisor {
            Some(beat) => (now.saturating_sub(beat), self.limits.supervisor_after),
            None => (now, self.limits.startup_grace),
        };
        checks::beat("supervisor".into(), quiet, limit)
    }
}

impl Followed {
    fn is_idle(&self) -> bool {
        self.progress.lag == 0 && self.progress.in_flight == 0
    }
}

#[cfg(test)]
mod tests;
