//! A transport some of whose stores are another's, such as Kafka with Redis: what parts of the contract run on where a store has
//! no transport of its own.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    Group, Outgoing, Partition, Record, TopicName,
    policy::ledger::Ledger,
    ports::{
        Acquired, DeadLetterStore, DedupStore, Lag, Owner, SettleError, SettleErrorKind, Settlement,
        SettlementStore, Source, StateChange, StateStore, StoreError, TableSource, TopicToCreate, Transport,
        Unsettled,
    },
};

/// A transport with stores from elsewhere, for the checks of those stores: settlements mark their events there first, so
/// that those of one that is refused are marked all the same.
pub struct WithStores {
    transport: Arc<dyn Transport>,
    dedup: Option<Arc<dyn DedupStore>>,
    dead_letters: Option<Arc<dyn DeadLetterStore>>,
}

impl WithStores {
    /// `transport` as it is.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, dedup: None, dead_letters: None }
    }

    /// With this dedup store.
    #[must_use]
    pub fn dedup(self, store: Arc<dyn DedupStore>) -> Self {
        Self { dedup: Some(store), ..self }
    }

    /// With this dead-letter store.
    #[must_use]
    pub fn dead_letters(self, store: Arc<dyn DeadLetterStore>) -> Self {
        Self { dead_letters: Some(store), ..self }
    }
}

struct Marking {
    settlement: Arc<dyn SettlementStore>,
    dedup: Arc<dyn DedupStore>,
}

impl SettlementStore for Marking {
    fn fits_parking(&self, record: &Record) -> bool {
        self.settlement.fits_parking(record)
    }

    fn unfit(&self, owner: &Owner, outputs: &[Outgoing], states: &[StateChange]) -> Option<StoreError> {
        self.settlement.unfit(owner, outputs, states)
    }

    fn acquire(
        &self,
        group: Group,
        partition: Partition,
        topics: Vec<TopicName>,
    ) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        self.settlement.acquire(group, partition, topics)
    }

    fn settle(&self, mut settlement: Settlement) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        let (store, dedup) = (Arc::clone(&self.settlement), Arc::clone(&self.dedup));
        async move {
            let marks = std::mem::take(&mut settlement.marks);
            if let Err(source) = dedup.mark(settlement.owner.clone(), marks.clone()).await {
                settlement.marks = marks;
                let error = SettleError { kind: SettleErrorKind::Retry, source };
                return Err(Box::new(Unsettled { settlement, error }));
            }
            let settled = store.settle(settlement).await;
            settled.map_err(|mut unsettled| {
                unsettled.settlement.marks = marks;
                unsettled
            })
        }
        .boxed()
    }
}

impl Transport for WithStores {
    fn create_topics(&self, topics: Vec<TopicToCreate>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.transport.create_topics(topics)
    }

    fn source(&self) -> Arc<dyn Source> {
        self.transport.source()
    }

    fn settlement(&self) -> Arc<dyn SettlementStore> {
        let settlement = self.transport.settlement();
        match &self.dedup {
            Some(dedup) => Arc::new(Marking { settlement, dedup: Arc::clone(dedup) }),
            None => settlement,
        }
    }

    fn states(&self) -> Arc<dyn StateStore> {
        self.transport.states()
    }

    fn dedup(&self) -> Arc<dyn DedupStore> {
        self.dedup.clone().unwrap_or_else(|| self.transport.dedup())
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        self.dead_letters.clone().unwrap_or_else(|| self.transport.dead_letters())
    }

    fn tables(&self) -> Arc<dyn TableSource> {
        self.transport.tables()
    }

    fn lag(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Lag>, StoreError>> {
        self.transport.lag(groups)
    }

    fn ledgers(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<(Group, Ledger)>, StoreError>> {
        self.transport.ledgers(groups)
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        self.transport.close()
    }
}
