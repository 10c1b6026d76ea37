//! What each entry of the book says of readiness and liveness.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use pandaflow::Namespace;
use serde_json::json;

use super::Followed;
use crate::health::{
    ArbiterState, Details, HealthCheck, Phase, ProcessorState, ReportComponent, Status, TaskKey,
};

/// A check and what it stands in the way of.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) check: HealthCheck,
    pub(super) blocks: Blocks,
}

/// What a finding stands in the way of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocks {
    Nothing,
    /// It shall not get work.
    Readiness,
    /// It is not worth keeping, and so not ready either.
    Liveness,
}

pub(super) fn process(phase: Phase) -> Finding {
    let (status, message, blocks) = match phase {
        Phase::Starting => (Status::Degraded, "still starting", Blocks::Readiness),
        Phase::Started => (Status::Healthy, "started", Blocks::Nothing),
        Phase::Draining => (Status::Degraded, "ending: draining what is in flight", Blocks::Readiness),
    };
    finding("process".into(), status, message.into(), blocks)
}

/// Something that beats, and has been quiet for so long.
pub(super) fn beat(component: String, quiet: Duration, limit: Duration) -> Finding {
    if quiet <= limit {
        return finding(component, Status::Healthy, "beats".into(), Blocks::Nothing);
    }
    let message = format!("has not beaten for {} s; the limit is {} s", quiet.as_secs(), limit.as_secs());
    finding(component, Status::Failing, message, Blocks::Liveness)
}

pub(super) fn arbiter(name: &str, state: &ArbiterState) -> Finding {
    let component = format!("arbiter:{name}");
    match state {
        ArbiterState::Turning => finding(component, Status::Healthy, "turns".into(), Blocks::Nothing),
        ArbiterState::Blocked { processor, since } => {
            let message = format!(
                "blocked for {} s by a handler of {processor} that does not yield; move blocking work to spawn_blocking",
                since.as_secs()
            );
            finding(component, Status::Failing, message, Blocks::Liveness)
        }
    }
}

pub(super) fn processor((namespace, name): &(Namespace, Arc<str>), state: &ProcessorState) -> Finding {
    use ProcessorState as State;
    let (status, message, blocks) = match state {
        State::Starting => (Status::Degraded, "waits for its partitions".into(), Blocks::Readiness),
        State::Assigned { partitions } => {
            (Status::Healthy, format!("has {partitions} partitions"), Blocks::Nothing)
        }
        State::Restarting { reason } => (Status::Degraded, format!("restarting: {reason}"), Blocks::Nothing),
        State::Paused { reason } => (Status::Degraded, format!("paused: {reason}"), Blocks::Nothing),
        State::Failed { reason } => {
            (Status::Failing, format!("over its restart budget: {reason}"), Blocks::Readiness)
        }
        State::Stopped => (Status::Healthy, "stopped".into(), Blocks::Nothing),
    };
    finding(format!("processor:{namespace}.{name}"), status, message, blocks)
}

pub(super) fn component(report: &ReportComponent) -> Finding {
    let blocks = if report.status == Status::Failing { Blocks::Readiness } else { Blocks::Nothing };
    let check = HealthCheck {
        component: report.component.clone(),
        status: report.status,
        message: report.message.clone(),
        took: report.took,
        details: report.details.clone(),
    };
    Finding { check, blocks }
}

/// One finding for the tasks of each processor.
pub(super) fn progress(
    tasks: &HashMap<TaskKey, Followed>,
    now: Duration,
    stall_after: Duration,
) -> impl Iterator<Item = Finding> {
    let mut by_processor: BTreeMap<(&Namespace, &str), BTreeMap<u32, &Followed>> = BTreeMap::new();
    for (task, followed) in tasks {
        let processor = (&task.namespace, &*task.processor);
        by_processor.entry(processor).or_default().insert(task.partition.0, followed);
    }
    by_processor.into_iter().map(move |((namespace, processor), partitions)| {
        let component = format!("progress:{namespace}.{processor}");
        let (status, message, blocks) = judge(&partitions, now, stall_after);
        let mut finding = finding(component, status, message, blocks);
        finding.check.details = details(&partitions);
        finding
    })
}

fn judge(
    partitions: &BTreeMap<u32, &Followed>,
    now: Duration,
    stall_after: Duration,
) -> (Status, String, Blocks) {
    let stalled = |followed: &Followed| {
        !followed.is_idle()
            && followed.progress.waits_for.is_none()
            && now.saturating_sub(followed.since) > stall_after
    };
    if let Some((partition, followed)) = partitions.iter().find(|(_, followed)| stalled(followed)) {
        let others = partitions.values().filter(|followed| stalled(followed)).count() - 1;
        let message = format!(
            "partition {partition} has settled nothing for {} s at a lag of {}; {others} others stand too",
            now.saturating_sub(followed.since).as_secs(),
            followed.progress.lag,
        );
        return (Status::Failing, message, Blocks::Liveness);
    }
    for (partition, followed) in partitions {
        if let Some(reason) = &followed.progress.waits_for {
            return (
                Status::Degraded,
                format!("partition {partition} waits for {reason}"),
                Blocks::Readiness,
            );
        }
    }
    (Status::Healthy, "moves".into(), Blocks::Nothing)
}

fn details(partitions: &BTreeMap<u32, &Followed>) -> Details {
    let sum = |count: fn(&Followed) -> u64| partitions.values().map(|followed| count(followed)).sum::<u64>();
    Details::from([
        ("partitions".into(), json!(partitions.len())),
        ("lag".into(), json!(sum(|followed| followed.progress.lag))),
        ("in_flight".into(), json!(sum(|followed| followed.progress.in_flight))),
        ("parked".into(), json!(sum(|followed| followed.progress.parked))),
        ("settled".into(), json!(sum(|followed| followed.progress.settled))),
    ])
}

fn finding(component: String, status: Status, message: String, blocks: Blocks) -> Finding {
    let check = HealthCheck { component, status, message, took: Duration::ZERO, details: Details::new() };
    Finding { check, blocks }
}
