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
    producer::{self, NotSent, NotSentKind, send_through},
    record::Outbound,
    unfit::{Likeness, Refusal},
};

/// How often a record is written behind an abort before it is given up, and how long to wait in between.
const TRIES_BEHIND_AN_ABORT: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// How a transaction failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It was aborted, and the producer can go on.
    Aborted(String),
    /// It was aborted, since the broker will never take one of the records, and the producer can go on. Which one is known
    /// where each was sent by itself.
    Unfit(Vec<Refusal>, String),
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

    /// Begins a transaction and writes records in it. Blocks until the broker has them.
    pub(super) fn write(&self, records: Vec<Outbound>) -> Result<(), Trouble> {
        self.begin_transaction()?;
        let sent = self.runtime.block_on(send_through(&self.producer, records.into_iter()));
        let Err(NotSent { kind, topic, why, .. }) = sent else { return Ok(()) };
        let aborted = self.abort(format!("records were not confirmed: {topic}: {why}"));
        Err(match aborted {
            Trouble::Aborted(why) if kind == NotSentKind::Unfit => Trouble::Unfit(Vec::new(), why),
            aborted => aborted,
        })
    }

    /// The same, each record by itself, to find all that the broker will never take. Blocks.
    pub(super) fn write_apart(&self, records: &[Outbound]) -> Result<(), Trouble> {
        self.begin_transaction()?;
        // Half of the time is for what comes after.
        let half = self.timeout / 2;
        let (mut spoilt, mut deadline) = (None, Instant::now() + half);
        let mut refusals = Vec::new();
        for record in records {
            match self.write_one(record, spoilt.is_some()) {
                Ok(()) if Instant::now() < deadline => continue,
                Ok(()) => spoilt = Some("its records take too long one by one".to_owned()),
                Err(NotSent { kind: NotSentKind::Unfit, why, .. }) => {
                    spoilt = Some(why.clone());
                    refusals.push(Refusal { record: Likeness::of(record), why });
                }
                Err(NotSent { topic, why, .. }) => {
                    spoilt = Some(format!("records were not confirmed: {topic}: {why}"));
                    break;
                }
            }
            // It won't be committed any more; the others are still to be looked at.
            self.begin_again()?;
            deadline = Instant::now() + half;
        }
        let Some(why) = spoilt else { return Ok(()) };
        Err(match self.abort(why) {
            Trouble::Aborted(why) if !refusals.is_empty() => Trouble::Unfit(refusals, why),
            aborted => aborted,
        })
    }

    /// Writes a record and waits until the broker has it. Behind an abort the client may throw away what comes next as well,
    /// so it is tried a few times then.
    fn write_one(&self, record: &Outbound, behind_an_abort: bool) -> Result<(), NotSent> {
        let mut tries = if behind_an_abort { TRIES_BEHIND_AN_ABORT } else { 1 };
        loop {
            tries -= 1;
            let sent = send_through(&self.producer, std::iter::once(record.clone()));
            match self.runtime.block_on(sent) {
                Err(not_sent) if not_sent.kind == NotSentKind::Later && tries > 0 => {
                    std::thread::sleep(PAUSE);
                    if self.begin_again().is_err() {
                        return Err(not_sent);
                    }
                }
                sent => return sent,
            }
        }
    }

    fn begin_transaction(&self) -> Result<(), Trouble> {
        let begun = self.producer.begin_transaction();
        begun.map_err(|error| self.read("beginning a transaction", &error, Trouble::Broken))
    }

    fn begin_again(&self) -> Result<(), Trouble> {
        match self.abort("a record was not taken".into()) {
            Trouble::Aborted(_) => self.begin_transaction(),
            trouble => Err(trouble),
        }
    }

    /// Makes what was written and offsets real, if `may_go_on` still says so. Blocks.
    pub(super) fn commit(
        &self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
        begun: Instant,
        may_go_on: impl FnOnce() -> bool,
    ) -> Result<(), Trouble> {
        if !may_go_on() {
            return Err(self.abort("a partition was taken away meanwhile".into()));
        }
        let deadline = begun + self.timeout;
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
                Trouble::Aborted(why)
                | Trouble::Unfit(_, why)
                | Trouble::Broken(why)
                | Trouble::Fenced(why) => Trouble::Broken(why),
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
