//! What the simulator sees of a run while it goes on: attempts and settlements, told by the runtime's own calls.
//!
//! [`attempt`] is the one hook in the runtime: it stands around each call of a handler. Everything else is seen through the
//! ports, by [`WatchedTransport`](super::watched_transport::WatchedTransport).

use std::{
    cell::RefCell,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pandaflow::{
    ErrorClass, Failure, FailureKind, Group, Partition, Record,
    ports::{Batch, Owner, Settlement},
};

use super::{
    action::{Disturbance, Trouble, When},
    audit::Audit,
    clock::SimulatedClock,
    entry::EventKey,
    story::Violation,
    trace::Trace,
};

thread_local! {
    /// The run that goes on on this thread; everything of a simulation runs on one.
    static WATCH: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

/// Stands around one attempt, and makes it go wrong where the plan says so. Outside of a simulation it does nothing.
pub(crate) async fn attempt(
    owner: &Owner,
    record: &Record,
    number: u32,
    handler: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let Some(watch) = WATCH.with_borrow(Clone::clone) else { return handler.await };
    let event = EventKey::of(record);
    let disturbance = watch.lock().begins(owner, &event, number);
    let mut running = Running { watch, owner: owner.clone(), event, ended: false };
    if let Some(Disturbance { when: When::Before, what }) = disturbance {
        running.go_wrong(what).await?;
    }
    let result = handler.await;
    if let (Ok(()), Some(Disturbance { when: When::After, what })) = (&result, disturbance) {
        running.go_wrong(what).await?;
    }
    running.ends(result.is_ok());
    result
}

/// An attempt from its beginning until it ends, or its future is dropped.
struct Running {
    watch: Arc<Watch>,
    owner: Owner,
    event: EventKey,
    ended: bool,
}

impl Running {
    async fn go_wrong(&mut self, trouble: Trouble) -> Result<(), Failure> {
        match trouble {
            Trouble::Fails(wait) => {
                let message = "the simulation made it fail".into();
                let mut failure =
                    Failure::new(FailureKind::Error, ErrorClass::Transient, "simulation", message);
                failure.retry_after = Some(wait).filter(|wait| !wait.is_zero());
                self.ends(false);
                Err(failure)
            }
            // Not by `panic!`, which would call the hook that prints.
            Trouble::Panics => std::panic::resume_unwind(Box::new("the simulation made it panic".to_owned())),
            Trouble::Hangs => std::future::pending().await,
            Trouble::Waits(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
        }
    }

    fn ends(&mut self, well: bool) {
        self.ended = true;
        self.watch.lock().ends(&self.owner, &self.event, well);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            // A panic, a time-out, or its task is gone: whatever it was, it left no effects.
            self.ends(false);
        }
    }
}

/// Keeps a thread under a watch until it is dropped.
pub(super) struct Watching;

impl Drop for Watching {
    fn drop(&mut self) {
        WATCH.set(None);
    }
}

/// What was seen so far.
pub(super) struct Watch {
    seen: Mutex<Seen>,
    clock: Arc<SimulatedClock>,
}

impl Watch {
    pub(super) fn new(audit: Audit, trace: Trace, clock: Arc<SimulatedClock>) -> Arc<Self> {
        let seen = Seen { audit, trace, disturbances: Vec::new(), violation: None, settlements: 0 };
        Arc::new(Self { seen: Mutex::new(seen), clock })
    }

    /// Watches what runs on this thread.
    pub(super) fn this_thread(self: &Arc<Self>) -> Watching {
        WATCH.set(Some(Arc::clone(self)));
        Watching
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        Locked { seen: self.seen.lock().unwrap_or_else(PoisonError::into_inner), clock: &self.clock }
    }
}

pub(super) struct Seen {
    audit: Audit,
    pub(super) trace: Trace,
    /// What is to go wrong with the next attempts, the first last.
    disturbances: Vec<Disturbance>,
    violation: Option<Violation>,
    settlements: u64,
}

/// What was seen, and the clock that says when.
pub(super) struct Locked<'a> {
    seen: MutexGuard<'a, Seen>,
    clock: &'a SimulatedClock,
}

impl Locked<'_> {
    /// Writes a line into the trace.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.clock.elapsed();
        self.seen.trace.note(now, line);
    }

    pub(super) fn trace(&mut self) -> &mut Trace {
        &mut self.seen.trace
    }

    /// The first violation holds: those that follow may follow from it.
    pub(super) fn check(&mut self, checked: Result<(), Violation>) {
        if let Err(violation) = checked {
            self.note(|| violation.to_string());
            self.seen.violation.get_or_insert(violation);
        }
    }

    pub(super) fn violation(&self) -> Option<Violation> {
        self.seen.violation.clone()
    }

    /// How many settlements have become real.
    pub(super) fn settlements(&self) -> u64 {
        self.seen.settlements
    }

    pub(super) fn disturb(&mut self, disturbance: Disturbance) {
        self.seen.disturbances.insert(0, disturbance);
    }

    /// Nothing is disturbed any more.
    pub(super) fn calm(&mut self) {
        self.seen.disturbances.clear();
    }

    fn begins(&mut self, owner: &Owner, event: &EventKey, number: u32) -> Option<Disturbance> {
        self.note(|| format!("{} epoch {}: attempt {number} at {event}", owner.group, owner.epoch));
        let checked = self.seen.audit.begins(owner, event, number);
        self.check(checked);
        if !self.seen.audit.may_be_disturbed(&owner.group, number) {
            return None;
        }
        self.seen.disturbances.pop()
    }

    fn ends(&mut self, owner: &Owner, event: &EventKey, well: bool) {
        let how = if well { "well" } else { "without effects" };
        self.note(|| format!("{} epoch {}: {event} ended {how}", owner.group, owner.epoch));
        self.seen.audit.ends(owner, event, well);
    }

    pub(super) fn assigned(&mut self, owner: &Owner) {
        self.note(|| {
            format!("{} partition {} epoch {}: assigned", owner.group, owner.partition, owner.epoch)
        });
        self.seen.audit.assigned(owner);
    }

    pub(super) fn delivered(&mut self, group: &Group, batch: &Batch) {
        self.seen.audit.delivered(group, batch);
    }

    pub(super) fn retired(&mut self, group: &Group, partition: Partition, epoch: pandaflow::Epoch) {
        self.note(|| format!("{group} partition {partition} epoch {epoch}: over"));
        self.seen.audit.retired(group, partition, epoch);
    }

    pub(super) fn filed(&mut self, group: &Group, record: &Record) {
        let event = EventKey::of(record);
        self.note(|| format!("{group}: the dead letter of {event} is filed"));
        self.seen.audit.filed(group, &event);
    }

    /// A settlement has become real.
    pub(super) fn settled(&mut self, settlement: &Settlement) {
        self.seen.settlements += 1;
        let owner = &settlement.owner;
        self.note(|| {
            let progress = settlement.progress.iter().map(|(topic, progress)| format!("{topic} {progress}"));
            let progress = progress.collect::<Vec<_>>().join(", ");
            let Settlement { outputs, states, .. } = settlement;
            let (outputs, states) = (outputs.len(), states.len());
            format!(
                "{} partition {} epoch {}: settled {progress} with {outputs} outputs, {states} states",
                owner.group, owner.partition, owner.epoch
            )
        });
        let checked = self.seen.audit.settled(settlement);
        self.check(checked);
    }
}
