//! A transactional producer: one transaction from its beginning to its end, and what an error in it means.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pandaflow::ports::StoreError;
use rdkafka::{
    TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::{KafkaError, RDKafkaError, RDKafkaErrorCode},
    producer::Producer,
};
use tokio::runtime::Handle;

use super::Setup;
use crate::transport::kafka::{
    failure::failed,
    producer::{self, NotSent, send_through},
    record::Outbound,
};

/// How a transaction failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It was aborted, and the producer can go on.
    Aborted(String),
    /// Nothing of it became real, and the producer can't go on.
    Broken(String),
    /// Another has the producer's name, or the broker ended the transaction: the producer can't go on. Whether it became
    /// real is not known if it was being committed.
    Fenced(String),
    /// Whether it became real is not known, and the producer must not go on.
    Unknown(String),
}

/// A producer that has its name to itself.
pub(super) struct Client {
    producer: Arc<producer::Client>,
    timeout: Duration,
    runtime: Handle,
}

impl Client {
    /// Makes a producer and fences whoever had its name before; what that one left open is ended. Blocks.
    pub(super) fn begin(setup: &Setup) -> Result<Self, StoreError> {
        let producer = producer::make(&setup.config)?;
        // It waits for the end of what was left open.
        let patience = setup.request_timeout.max(setup.timeout);
        producer.init_transactions(patience).map_err(failed("beginning transactions"))?;
        let runtime = setup.runtime.clone();
        Ok(Self { producer: Arc::new(producer), timeout: setup.timeout, runtime })
    }

    /// Makes records and offsets real in one transaction, if `may_go_on` still says so once the broker has the records.
    /// Blocks.
    pub(super) fn transact(
        &self,
        records: Vec<Outbound>,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
        may_go_on: impl FnOnce() -> bool,
    ) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.timeout;
        self.producer
            .begin_transaction()
            .map_err(|error| self.read("beginning a transaction", &error, Trouble::Broken))?;
        if let Err(NotSent { topic, why, .. }) =
            self.runtime.block_on(send_through(&self.producer, records.into_iter()))
        {
            return Err(self.abort(format!("records were not confirmed: {topic}: {why}")));
        }
        if !may_go_on() {
            return Err(self.abort("a partition was taken away meanwhile".into()));
        }
        self.add_offsets(offsets, group, deadline)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let committed = self.producer.commit_transaction(left.max(Duration::from_millis(100)));
        committed.map_err(|error| self.read("committing a transaction", &error, Trouble::Unknown))
    }

    fn add_offsets(
        &self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
        deadline: Instant,
    ) -> Result<(), Trouble> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.producer.send_offsets_to_transaction(offsets, group, left) {
                Ok(()) => return Ok(()),
                // Asked again it goes on where it was.
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {}
                Err(error) => {
                    return Err(self.read("adding offsets to a transaction", &error, |why| self.abort(why)));
                }
            }
        }
    }

    /// What an error means; `otherwise` says it of one that tells neither of an abort nor of the producer's end.
    fn read(&self, what: &str, error: &KafkaError, otherwise: impl FnOnce(String) -> Trouble) -> Trouble {
        let why = format!("{what}: {error}");
        let KafkaError::Transaction(error) = error else { return otherwise(why) };
        if is_fenced(error) {
            Trouble::Fenced(why)
        } else if error.txn_requires_abort() {
            self.abort(why)
        } else if error.is_fatal() {
            // In a commit even then the first of several requests may have been heard.
            match otherwise(why) {
                Trouble::Unknown(why) => Trouble::Unknown(why),
                Trouble::Aborted(why) | Trouble::Broken(why) | Trouble::Fenced(why) => Trouble::Broken(why),
            }
        } else {
            otherwise(why)
        }
    }

    fn abort(&self, why: String) -> Trouble {
        match self.producer.abort_transaction(self.timeout) {
            Ok(()) => Trouble::Aborted(why),
            Err(KafkaError::Transaction(error)) if is_fenced(&error) => {
                Trouble::Fenced(format!("{why}; aborting: {error}"))
            }
            Err(error) => Trouble::Broken(format!("{why}; aborting: {error}")),
        }
    }
}

fn is_fenced(error: &RDKafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(error.code(), Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}
