//! A transport whose settlements are over only once their outputs are on their topics, as the contract's checks look for them there
//! right after.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    Group, Partition, TopicName,
    policy::ledger::Ledger,
    ports::{
        Acquired, DeadLetterStore, DedupStore, Lag, Settlement, SettlementStore, Source, StateStore,
        StoreError, TableSource, TopicToCreate, Transport, Unsettled,
    },
};
use pandaflow_actors::transport::{kafka::KafkaTransport, settlement_database::SettlementDatabase};

/// How often to look whether anything waits: the database is needed by whoever publishes it, too.
const LOOK: Duration = Duration::from_millis(3);

pub(crate) struct Published {
    pub(crate) transport: Arc<KafkaTransport>,
    pub(crate) database: Arc<dyn SettlementDatabase>,
}

struct Settling {
    store: Arc<dyn SettlementStore>,
    database: Arc<dyn SettlementDatabase>,
}

impl SettlementStore for Settling {
    fn acquire(
        &self,
        group: Group,
        partition: Partition,
        topics: Vec<TopicName>,
    ) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        self.store.acquire(group, partition, topics)
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        let (settled, outbox) = (self.store.settle(settlement), self.database.outbox());
        async move {
            settled.await?;
            let mut looks = tokio::time::interval(LOOK);
            while !outbox.waiting().await.expect("the outbox can be counted").is_empty() {
                looks.tick().await;
            }
            Ok(())
        }
        .boxed()
    }
}

impl Transport for Published {
    fn create_topics(&self, topics: Vec<TopicToCreate>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.transport.create_topics(topics)
    }

    fn source(&self) -> Arc<dyn Source> {
        self.transport.source()
    }

    fn settlement(&self) -> Arc<dyn SettlementStore> {
        Arc::new(Settling { store: self.transport.settlement(), database: Arc::clone(&self.database) })
    }

    fn states(&self) -> Arc<dyn StateStore> {
        self.transport.states()
    }

    fn dedup(&self) -> Arc<dyn DedupStore> {
        self.transport.dedup()
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        self.transport.dead_letters()
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
