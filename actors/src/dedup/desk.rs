//! Where the calls of the dedup actor are carried out, many at once: the store in its time limit, or what
//! stands in for it.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use pandaflow::{
    EventId, Group,
    ports::{Claim, DedupStore, Owner, StoreError, Verdict},
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout},
};

use super::{
    DedupConfig, DedupError, WhenDown,
    local_marks::LocalMarks,
    store_watch::{Route, StoreWatch},
    turns::{Turn, Turns},
};
use crate::{
    health::{HealthHandle, ReportComponent, Status},
    metrics::{MetricsHandle, ServiceCount},
};

/// What a store gives back for a call.
type StoreCall<T> = BoxFuture<'static, Result<T, StoreError>>;

pub(super) struct Desk {
    config: DedupConfig,
    store: Arc<dyn DedupStore>,
    health: HealthHandle,
    metrics: MetricsHandle,
    begun: Instant,
    in_progress: Semaphore,
    turns: RefCell<Turns>,
    watch: RefCell<StoreWatch>,
    /// Used under [`WhenDown::Local`] only.
    local: RefCell<LocalMarks>,
}

impl Desk {
    pub(super) fn new(
        config: DedupConfig,
        store: Arc<dyn DedupStore>,
        health: HealthHandle,
        metrics: MetricsHandle,
    ) -> Self {
        let capacity = if let WhenDown::Local { capacity } = config.when_down { capacity } else { 0 };
        Self {
            begun: Instant::now(),
            in_progress: Semaphore::new(config.in_progress.clamp(1, Semaphore::MAX_PERMITS)),
            turns: RefCell::default(),
            watch: RefCell::new(StoreWatch::new(config.probe_every)),
            local: RefCell::new(LocalMarks::new(capacity)),
            config,
            store,
            health,
            metrics,
        }
    }

    /// The place of a call that goes to the store; `None` for one that what stands in answers. To be
    /// called in the order of the messages.
    pub(super) fn route(&self, owner: &Owner) -> Option<Turn> {
        let route = match self.config.when_down {
            WhenDown::Pause => Route::Store,
            WhenDown::Bypass | WhenDown::Local { .. } => self.watch.borrow_mut().route(self.now()),
        };
        (route == Route::Store).then(|| self.turns.borrow_mut().next(owner))
    }

    pub(super) async fn claim(
        self: Rc<Self>,
        turn: Option<Turn>,
        claim: Claim,
    ) -> Result<Vec<Verdict>, DedupError> {
        if let Some(turn) = turn {
            let asked = claim.clone();
            // Under the other policies the task goes on as if it had the claim, so it may keep it.
            let undone = (self.config.when_down == WhenDown::Pause).then(|| claim.clone());
            let undo = |store: &dyn DedupStore, verdicts: Vec<Verdict>| {
                undone.map(|claim| store.release(claim.owner, fresh(&claim.ids, &verdicts)))
            };
            match self.ask(turn, |store| store.claim(asked), undo).await {
                Ok(verdicts) => return Ok(self.correct(&claim, verdicts)),
                Err(error) if self.config.when_down == WhenDown::Pause => return Err(error),
                Err(_) => {}
            }
        }
        self.claim_from_stand_in(&claim)
    }

    pub(super) async fn done(
        self: Rc<Self>,
        turn: Option<Turn>,
        owner: Owner,
        ids: Vec<EventId>,
    ) -> Result<(), DedupError> {
        if let Some(turn) = turn {
            let (of, done) = (owner.clone(), ids.clone());
            match self.ask(turn, |store| store.done(of, done), |_, ()| None).await {
                Ok(()) => {
                    self.local.borrow_mut().forget(&owner.group, &ids);
                    return Ok(());
                }
                Err(error) if self.config.when_down == WhenDown::Pause => return Err(error),
                Err(_) => {}
            }
        }
        if self.keeps_marks() {
            self.local.borrow_mut().done(&owner, &ids);
        }
        Ok(())
    }

    pub(super) async fn release(
        self: Rc<Self>,
        turn: Option<Turn>,
        owner: Owner,
        ids: Vec<EventId>,
    ) -> Result<(), DedupError> {
        self.local.borrow_mut().release(&owner, &ids);
        let Some(turn) = turn else { return Ok(()) };
        self.unless_stood_in_for(self.ask(turn, |store| store.release(owner, ids), |_, ()| None).await)
    }

    pub(super) async fn fence(
        self: Rc<Self>,
        turn: Option<Turn>,
        group: Group,
        owner: Owner,
    ) -> Result<(), DedupError> {
        self.local.borrow_mut().fence(&group, &owner);
        let Some(turn) = turn else { return Ok(()) };
        // A later owner's fence is not undone: this one's settlements will be refused.
        let fenced = self.ask(turn, |store| store.fence(group, owner), |_, _| None).await;
        self.unless_stood_in_for(fenced.map(|_| ()))
    }

    /// What the store said, corrected by what memory knows; memory learns what is being handled.
    fn correct(&self, claim: &Claim, verdicts: Vec<Verdict>) -> Vec<Verdict> {
        if !self.keeps_marks() {
            return verdicts;
        }
        let mut local = self.local.borrow_mut();
        let verdicts = local.correct(claim, verdicts);
        local.given_out(claim, &verdicts);
        verdicts
    }

    fn claim_from_stand_in(&self, claim: &Claim) -> Result<Vec<Verdict>, DedupError> {
        let ids = claim.ids.len() as u64;
        match self.config.when_down {
            WhenDown::Local { capacity } => {
                self.metrics.count(ServiceCount::DedupStandIn { policy: "local", ids });
                let claimed = self.local.borrow_mut().claim(claim);
                claimed.map_err(|_| DedupError::LocalFull { capacity })
            }
            WhenDown::Bypass | WhenDown::Pause => {
                self.metrics.count(ServiceCount::DedupStandIn { policy: "bypass", ids });
                Ok(vec![Verdict::Fresh; claim.ids.len()])
            }
        }
    }

    /// Asks the store within the time limit. A call that is too late goes on and keeps its turn, so that
    /// nothing overtakes it; what it did is undone.
    async fn ask<T: 'static>(
        self: &Rc<Self>,
        turn: Turn,
        call: impl FnOnce(&dyn DedupStore) -> StoreCall<T> + 'static,
        undo: impl FnOnce(&dyn DedupStore, T) -> Option<StoreCall<()>> + 'static,
    ) -> Result<T, DedupError> {
        let (answer, answered) = oneshot::channel();
        actix_rt::spawn(Rc::clone(self).call_in_turn(turn, call, undo, answer));
        let limit = self.config.timeout;
        let outcome = match timeout(limit, answered).await {
            Ok(Ok(outcome)) => outcome.map_err(DedupError::Store),
            Ok(Err(_)) => Err(DedupError::Store(gave_no_answer())),
            Err(_) => Err(DedupError::TimedOut { limit }),
        };
        self.note(outcome.as_ref().err());
        outcome
    }

    async fn call_in_turn<T>(
        self: Rc<Self>,
        mut turn: Turn,
        call: impl FnOnce(&dyn DedupStore) -> StoreCall<T>,
        undo: impl FnOnce(&dyn DedupStore, T) -> Option<StoreCall<()>>,
        answer: oneshot::Sender<Result<T, StoreError>>,
    ) {
        turn.come().await;
        let _permit = self.in_progress.acquire().await;
        if answer.is_closed() {
            return;
        }
        let Ok(outcome) = timeout(self.config.abandon_after, call(&*self.store)).await else { return };
        if let Err(Ok(late)) = answer.send(outcome)
            && let Some(undoing) = undo(&*self.store, late)
        {
            // If this fails, the claims end with their lease.
            let _ = timeout(self.config.abandon_after, undoing).await;
        }
    }

    /// Follows whether the store is up, and says so when it changes.
    fn note(self: &Rc<Self>, error: Option<&DedupError>) {
        let Some(error) = error else {
            if self.watch.borrow_mut().answered() {
                self.report(Status::Healthy, "the dedup store answers again".into());
                self.hand_over();
            }
            return;
        };
        self.metrics.count(ServiceCount::DedupStoreFailed);
        if self.watch.borrow_mut().failed(self.now()) {
            let (status, so) = match self.config.when_down {
                WhenDown::Pause => (Status::Failing, "processors with dedup wait for it"),
                WhenDown::Bypass => (Status::Degraded, "duplicates are handled again"),
                WhenDown::Local { .. } => (Status::Degraded, "ids are kept in memory"),
            };
            self.report(status, format!("{error}; {so}"));
        }
    }

    /// Tells a store that is back what was done while it was down.
    fn hand_over(self: &Rc<Self>) {
        for (owner, ids) in self.local.borrow().learnt() {
            let turn = self.turns.borrow_mut().next(&owner);
            actix_rt::spawn(Rc::clone(self).done(Some(turn), owner, ids));
        }
    }

    fn report(&self, status: Status, message: String) {
        self.health.component(ReportComponent::new("dedup", status, message));
    }

    fn unless_stood_in_for(&self, outcome: Result<(), DedupError>) -> Result<(), DedupError> {
        if self.config.when_down == WhenDown::Pause { outcome } else { Ok(()) }
    }

    fn keeps_marks(&self) -> bool {
        matches!(self.config.when_down, WhenDown::Local { .. })
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }
}

fn fresh(ids: &[EventId], verdicts: &[Verdict]) -> Vec<EventId> {
    let fresh = ids.iter().zip(verdicts).filter(|(_, verdict)| **verdict == Verdict::Fresh);
    fresh.map(|(id, _)| *id).collect()
}

fn gave_no_answer() -> StoreError {
    StoreError { store: "dedup", message: "it panicked, or its call was given up on".into() }
}
