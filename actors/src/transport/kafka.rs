//! The Kafka transport: topics, groups and state on brokers, for as many processes as one starts.
//!
//! Effects become real at least once or exactly once, as a processor or the settings say. At least once: outputs first, then
//! state, then dedup marks, then offsets, each confirmed before the next. Exactly once: all but the marks in one transaction. Ids of emitted events are derived, and a state remembers what has gone into it, so that what is done again after a
//! crash is found to be done. Each group has a topic `{group}.changelog` for state and ledgers, each input a topic
//! `{topic}.dlq` for dead letters.

mod acquire;
mod answers;
mod asking;
mod background;
mod bell;
mod by_settings;
mod changelog;
mod changelog_records;
mod checkpoint;
mod commit_note;
mod commits;
mod config;
mod core;
mod dead_letter_record;
mod dead_letters;
mod desk;
mod failure;
mod gaps;
mod gates;
mod in_database;
mod lag;
mod log_reader;
mod log_span;
mod member;
mod names;
mod outsider;
mod owners;
mod parked;
mod producer;
mod quiet;
mod record;
mod relay;
mod restore;
mod sending;
mod settlement;
mod settler;
mod source;
mod states;
mod tables;
mod topics;
mod transactions;
mod unfit;
mod varint;

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    Group,
    policy::ledger::Ledger,
    ports::{
        DeadLetterStore, DedupStore, Lag, Restored, SettlementStore, Source, StateStore, StoreError,
        TableSource, TopicToCreate, Transactions, Transport,
    },
};

use self::core::Core;
pub use self::{
    checkpoint::CheckpointConfig,
    config::{GroupProtocol, KafkaConfig},
};

/// A transport on Kafka. A clone is another handle on the same one.
#[derive(Clone)]
pub struct KafkaTransport {
    core: Arc<Core>,
}

impl KafkaTransport {
    /// Sets the clients up. They connect by themselves: whether a broker answers shows with the first question.
    ///
    /// # Errors
    /// A property is not one of librdkafka's, or has a value that it doesn't take.
    pub fn new(config: KafkaConfig) -> Result<Self, StoreError> {
        Ok(Self { core: Core::new(config)? })
    }
}

impl Transport for KafkaTransport {
    fn create_topics(&self, topics: Vec<TopicToCreate>) -> BoxFuture<'static, Result<(), StoreError>> {
        let core = Arc::clone(&self.core);
        let max_record = core.config.max_record;
        let wanted = topics.into_iter().map(|topic| topics::Wanted::of(topic, max_record)).collect();
        let made = self.core.background.spawn(async move { core.make_topics(wanted).await });
        async move { made.await.unwrap_or_else(|error| Err(failure::store_error(error.to_string()))) }.boxed()
    }

    fn source(&self) -> Arc<dyn Source> {
        Arc::new(source::KafkaSource(Arc::clone(&self.core)))
    }

    fn settlement(&self) -> Arc<dyn SettlementStore> {
        Arc::new(settlement::KafkaSettlement(Arc::clone(&self.core)))
    }

    fn states(&self) -> Arc<dyn StateStore> {
        match &self.core.config.settle_in {
            Some(database) => database.states(),
            None => Arc::new(states::KafkaStates(Arc::clone(&self.core))),
        }
    }

    fn dedup(&self) -> Arc<dyn DedupStore> {
        let config = &self.core.config;
        config.settle_in.as_ref().map_or_else(|| Arc::clone(&config.dedup), |database| database.dedup())
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        let config = &self.core.config;
        match (&config.settle_in, &config.dead_letters) {
            (Some(database), _) => database.dead_letters(),
            (None, Some(store)) => Arc::clone(store),
            (None, None) => Arc::new(dead_letters::KafkaDeadLetters(Arc::clone(&self.core))),
        }
    }

    fn tables(&self) -> Arc<dyn TableSource> {
        Arc::new(tables::KafkaTables(Arc::clone(&self.core)))
    }

    fn lag(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Lag>, StoreError>> {
        let core = Arc::clone(&self.core);
        if let Some(database) = core.config.settle_in.clone() {
            return async move { in_database::lag(&core, &database, groups).await }.boxed();
        }
        self.core.background.ask(move || lag::lag(&core, &groups, &lag::Next::new()))
    }

    fn ledgers(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<(Group, Ledger)>, StoreError>> {
        let core = Arc::clone(&self.core);
        if let Some(database) = core.config.settle_in.clone() {
            return async move { in_database::ledgers(&database, groups).await }.boxed();
        }
        self.core.background.ask(move || lag::ledgers(&core, groups))
    }

    fn transactions(&self) -> Option<Arc<dyn Transactions>> {
        self.core.config.settle_in.as_ref().map(|database| database.transactions())
    }

    fn unpublished(&self) -> BoxFuture<'static, Result<Option<u64>, StoreError>> {
        let Some(database) = &self.core.config.settle_in else {
            return std::future::ready(Ok(None)).boxed();
        };
        let waiting = database.outbox().waiting();
        async move { Ok(Some(waiting.await?.into_iter().map(|(_, records)| records).sum())) }.boxed()
    }

    fn restored(&self) -> Restored {
        self.core.restored.so_far()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let core = Arc::clone(&self.core);
        async move { core.close().await }.boxed()
    }
}
