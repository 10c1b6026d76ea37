//! A database whose outbox has a fault, for one process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    Group, Outgoing, Partition, TopicName,
    ports::{
        DeadLetterStore, DedupStore, SettleError, Settlement, StateStore, StoreError, Transaction,
        Transactions,
    },
};
use pandaflow_actors::transport::settlement_database::{
    Acquisition, Found, Outbox, OutboxId, OutboxSession, Settled, SettlementDatabase,
};
use tokio::sync::{Notify, mpsc};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What is published can't be taken out.
    EndsNothing,
    /// Once something was read, it takes until somebody says so that the reader has it.
    StandsStillWithTheFirst,
}

/// What a relay has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Opened,
    HasRead,
    HasPublished,
}

#[derive(Clone)]
struct Inside {
    fault: Fault,
    seen: mpsc::UnboundedSender<Seen>,
    goes_on: Arc<Notify>,
    stood_still: Arc<AtomicBool>,
}

pub(crate) struct Faulty {
    database: Arc<dyn SettlementDatabase>,
    inside: Inside,
}

impl Faulty {
    pub(crate) fn new(
        database: Arc<dyn SettlementDatabase>,
        fault: Fault,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Seen>) {
        let (seen, sees) = mpsc::unbounded_channel();
        let inside = Inside { fault, seen, goes_on: Arc::default(), stood_still: Arc::default() };
        (Arc::new(Self { database, inside }), sees)
    }

    /// What stands still goes on.
    pub(crate) fn go_on(&self) {
        self.inside.goes_on.notify_one();
    }
}

struct FaultyOutbox {
    outbox: Arc<dyn Outbox>,
    inside: Inside,
}

impl Outbox for FaultyOutbox {
    fn open(&self) -> BoxFuture<'static, Result<Box<dyn OutboxSession>, StoreError>> {
        let (opened, inside) = (self.outbox.open(), self.inside.clone());
        async move {
            let session = opened.await?;
            let _ = inside.seen.send(Seen::Opened);
            Ok(Box::new(FaultySession { session, inside }) as Box<dyn OutboxSession>)
        }
        .boxed()
    }

    fn waiting(&self) -> BoxFuture<'static, Result<Vec<(TopicName, u64)>, StoreError>> {
        self.outbox.waiting()
    }
}

struct FaultySession {
    session: Box<dyn OutboxSession>,
    inside: Inside,
}

impl OutboxSession for FaultySession {
    fn leads(&mut self) -> BoxFuture<'_, Result<Option<uuid::Uuid>, StoreError>> {
        self.session.leads()
    }

    fn next(
        &mut self,
        records: usize,
        bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<(OutboxId, Outgoing)>, StoreError>> {
        let inside = self.inside.clone();
        async move {
            let next = self.session.next(records, bytes).await?;
            if inside.fault == Fault::StandsStillWithTheFirst
                && !next.is_empty()
                && !inside.stood_still.swap(true, Ordering::AcqRel)
            {
                let _ = inside.seen.send(Seen::HasRead);
                inside.goes_on.notified().await;
            }
            Ok(next)
        }
        .boxed()
    }

    fn published(&mut self, records: Vec<OutboxId>) -> BoxFuture<'_, Result<(), StoreError>> {
        if self.inside.fault == Fault::EndsNothing {
            let _ = self.inside.seen.send(Seen::HasPublished);
            let why = "the database is away".to_owned();
            return async move { Err(StoreError { store: "postgres", message: why }) }.boxed();
        }
        self.session.published(records)
    }
}

impl SettlementDatabase for Faulty {
    fn acquire(&self, acquisition: Acquisition) -> BoxFuture<'static, Result<Found, StoreError>> {
        self.database.acquire(acquisition)
    }

    fn forget_log(
        &self,
        group: Group,
        partition: Partition,
        topic: TopicName,
    ) -> BoxFuture<'static, Result<(), StoreError>> {
        self.database.forget_log(group, partition, topic)
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'static, Result<(), SettleError>> {
        self.database.settle(settlements)
    }

    fn settle_in(
        &self,
        settlement: Settlement,
        transaction: Box<dyn Transaction>,
    ) -> BoxFuture<'static, Result<(), SettleError>> {
        self.database.settle_in(settlement, transaction)
    }

    fn settled(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Settled>, StoreError>> {
        self.database.settled(groups)
    }

    fn states(&self) -> Arc<dyn StateStore> {
        self.database.states()
    }

    fn dedup(&self) -> Arc<dyn DedupStore> {
        self.database.dedup()
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        self.database.dead_letters()
    }

    fn transactions(&self) -> Arc<dyn Transactions> {
        self.database.transactions()
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(FaultyOutbox { outbox: self.database.outbox(), inside: self.inside.clone() })
    }
}
