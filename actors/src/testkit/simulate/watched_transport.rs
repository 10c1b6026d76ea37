//! The transport of a simulation: the memory transport, with each call told to the watch, and settlements that can be held
//! back or answered late.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    DeadLetter, Epoch, Group, Partition, TopicName,
    policy::ledger::Ledger,
    ports::{
        Acquired, Assignee, Assignment, Batch, DeadLetterFilter, DeadLetterId, DeadLetterStore, DedupStore,
        Filing, Lag, Owner, SettleError, SettleErrorKind, Settlement, SettlementStore, Source, StateStore,
        StoreError, StoredDeadLetter, Subscription, SubscriptionRequest, TableSource, TopicToCreate,
        Transport, Unsettled,
    },
};
use tokio::sync::oneshot;

use super::{action::Waiting, watch::Watch};
use crate::transport::memory::MemoryTransport;

/// How a settlement ended.
type Settled = Result<(), Box<Unsettled>>;

/// A clone is another handle on the same one.
#[derive(Clone)]
pub(super) struct WatchedTransport {
    pub(super) memory: MemoryTransport,
    watch: Arc<Watch>,
    desk: Arc<Mutex<Desk>>,
}

/// A settlement that waits, and who is to hear of it.
type Held = (Settlement, oneshot::Sender<Settled>);

/// What settlements wait for.
#[derive(Default)]
struct Desk {
    holds: bool,
    held: VecDeque<Held>,
    late: Duration,
    /// Owners that were told, and have not read yet, that a settlement can't become real: none may that they build on it.
    unread: HashSet<Owner>,
}

impl WatchedTransport {
    pub(super) fn new(memory: MemoryTransport, watch: Arc<Watch>) -> Self {
        Self { memory, watch, desk: Arc::default() }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hold_settlements(&self) {
        self.desk().holds = true;
    }

    pub(super) fn answer_late(&self, late: Duration) {
        self.desk().late = late;
    }

    /// Does what waits, in order, and holds nothing back any more.
    pub(super) fn release_settlements(&self) {
        {
            let mut desk = self.desk();
            desk.holds = false;
            desk.late = Duration::ZERO;
        }
        loop {
            let Some((settlement, answer)) = self.desk().held.pop_front() else { return };
            // Whoever asked may have gone; the settlement was called for all the same.
            drop(answer.send(self.settle_now(settlement)));
        }
    }

    /// The process is gone.
    pub(super) fn crash(&self, waiting: Waiting) {
        if waiting == Waiting::Lost {
            self.desk().held.clear();
        }
        self.release_settlements();
    }

    fn settle_now(&self, settlement: Settlement) -> Settled {
        if self.desk().unread.contains(&settlement.owner) {
            let message =
                "an earlier settlement did not become real, and its owner has not read that yet".into();
            let source = StoreError { store: "simulation", message };
            let error = SettleError { kind: SettleErrorKind::Retry, source };
            return Err(Box::new(Unsettled { settlement, error }));
        }
        let asked = settlement.clone();
        // The memory transport settles where it is called.
        let settled = self.memory.settlement().settle(settlement).now_or_never();
        let settled = settled.expect("the memory transport holds nothing back by itself");
        if settled.as_ref().is_err_and(|unsettled| unsettled.error.kind != SettleErrorKind::Retry) {
            self.desk().unread.insert(asked.owner.clone());
        }
        let mut watch = self.watch.lock();
        match &settled {
            Ok(()) => watch.settled(&asked),
            Err(unsettled) => watch.note(|| {
                format!("{} partition {}: {}", asked.owner.group, asked.owner.partition, unsettled.error)
            }),
        }
        settled
    }

    /// The owner reads how its settlement ended.
    fn read(&self, owner: &Owner, settled: Settled) -> Settled {
        if settled.is_err() {
            self.desk().unread.remove(owner);
        }
        settled
    }
}

impl SettlementStore for WatchedTransport {
    fn acquire(
        &self,
        group: Group,
        partition: Partition,
        topics: Vec<TopicName>,
    ) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        self.memory.settlement().acquire(group, partition, topics)
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'static, Settled> {
        let (owner, transport) = (settlement.owner.clone(), self.clone());
        let late = {
            let mut desk = self.desk();
            if desk.holds {
                let (answer, answered) = oneshot::channel();
                desk.held.push_back((settlement, answer));
                return async move {
                    match answered.await {
                        Ok(settled) => transport.read(&owner, settled),
                        Err(_) => std::future::pending().await,
                    }
                }
                .boxed();
            }
            desk.late
        };
        let settled = self.settle_now(settlement);
        async move {
            if !late.is_zero() {
                tokio::time::sleep(late).await;
            }
            transport.read(&owner, settled)
        }
        .boxed()
    }
}

impl DeadLetterStore for WatchedTransport {
    fn file(&self, letter: DeadLetter) -> BoxFuture<'static, Result<Filing, StoreError>> {
        let (group, record, watch) = (letter.group.clone(), letter.record.clone(), self.watch.clone());
        let filed = self.memory.dead_letters_port().file(letter);
        async move {
            let filing = filed.await?;
            watch.lock().filed(&group, &record);
            Ok(filing)
        }
        .boxed()
    }

    fn list(
        &self,
        filter: DeadLetterFilter,
    ) -> BoxFuture<'static, Result<Vec<StoredDeadLetter>, StoreError>> {
        self.memory.dead_letters_port().list(filter)
    }

    fn show(&self, id: DeadLetterId) -> BoxFuture<'static, Result<Option<StoredDeadLetter>, StoreError>> {
        self.memory.dead_letters_port().show(id)
    }
}

impl MemoryTransport {
    /// The store, and not what a test reads of it.
    fn dead_letters_port(&self) -> Arc<dyn DeadLetterStore> {
        Transport::dead_letters(self)
    }
}

impl Source for WatchedTransport {
    fn subscribe(
        &self,
        request: SubscriptionRequest,
        assignee: Arc<dyn Assignee>,
    ) -> Result<Arc<dyn Subscription>, StoreError> {
        let watched = WatchedAssignee { group: request.group.clone(), watch: self.watch.clone(), assignee };
        self.memory.source().subscribe(request, Arc::new(watched))
    }
}

/// Tells the watch what an assignee is given.
struct WatchedAssignee {
    group: Group,
    watch: Arc<Watch>,
    assignee: Arc<dyn Assignee>,
}

impl Assignee for WatchedAssignee {
    fn assigned(&self, assignment: Assignment) {
        self.watch.lock().assigned(&assignment.acquired.owner);
        self.assignee.assigned(assignment);
    }

    fn delivered(&self, batch: Batch) {
        self.watch.lock().delivered(&self.group, &batch);
        self.assignee.delivered(batch);
    }

    fn revoked(&self, partition: Partition, epoch: Epoch, released: Box<dyn Send>) {
        let (group, watch) = (self.group.clone(), self.watch.clone());
        let released = Released { _inner: released, _told: Told { group, partition, epoch, watch } };
        self.assignee.revoked(partition, epoch, Box::new(released));
    }

    fn lost(&self, partition: Partition, epoch: Epoch) {
        self.watch.lock().retired(&self.group, partition, epoch);
        self.assignee.lost(partition, epoch);
    }

    fn failed(&self, error: StoreError) {
        self.assignee.failed(error);
    }

    fn beat(&self) {
        self.assignee.beat();
    }
}

/// The token of a partition that is given back: the transport hears of its end first, then the watch.
struct Released {
    _inner: Box<dyn Send>,
    _told: Told,
}

struct Told {
    group: Group,
    partition: Partition,
    epoch: Epoch,
    watch: Arc<Watch>,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.watch.lock().retired(&self.group, self.partition, self.epoch);
    }
}

impl Transport for WatchedTransport {
    fn create_topics(&self, topics: Vec<TopicToCreate>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.memory.create_topics(topics)
    }

    fn source(&self) -> Arc<dyn Source> {
        Arc::new(self.clone())
    }

    fn settlement(&self) -> Arc<dyn SettlementStore> {
        Arc::new(self.clone())
    }

    fn states(&self) -> Arc<dyn StateStore> {
        self.memory.states()
    }

    fn dedup(&self) -> Arc<dyn DedupStore> {
        self.memory.dedup()
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        Arc::new(self.clone())
    }

    fn tables(&self) -> Arc<dyn TableSource> {
        self.memory.tables()
    }

    fn lag(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Lag>, StoreError>> {
        self.memory.lag(groups)
    }

    fn ledgers(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<(Group, Ledger)>, StoreError>> {
        self.memory.ledgers(groups)
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        self.memory.close()
    }
}
