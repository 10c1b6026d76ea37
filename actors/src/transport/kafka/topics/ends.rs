//! Where partitions end: for whoever writes, and for whoever reads what is committed.

use std::time::{Duration, Instant};

use pandaflow::{TopicName, ports::StoreError};
use rdkafka::{
    consumer::Consumer,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{LEADER_COMES, Topics, number};
use crate::transport::kafka::{
    asking::{Asking, LEADER_SHOULD_BE_KNOWN},
    failure::store_error,
};

/// How long to wait before looking again whether a transaction has ended, and how often to tell that it has not.
const TRANSACTION_ENDS: Duration = Duration::from_millis(5);
const TOLD: Duration = Duration::from_secs(5);
/// How many times a partition's leader is asked at least, within the time that there is.
const TURNS: u32 = 3;

impl Topics {
    /// The first and the next offset of a partition, whether what lies below is committed or not. Blocks. A partition that
    /// was just made, or is being moved, has no leader for a moment: it is waited for.
    pub(in crate::transport::kafka) fn ends(
        &self,
        topic: &TopicName,
        partition: u32,
    ) -> Result<(i64, i64), StoreError> {
        self.ends_by(&self.unbound, topic, partition)
    }

    /// As [`Topics::ends`], once every transaction that lies below the end has ended: whoever reads what is committed comes
    /// that far. A commit is confirmed a moment before it can be read, and one that its process has not lived to end stays
    /// open until the broker ends it. Blocks.
    pub(in crate::transport::kafka) fn settled_ends(
        &self,
        topic: &TopicName,
        partition: u32,
    ) -> Result<(i64, i64), StoreError> {
        let (first, end) = self.ends(topic, partition)?;
        let (mut told, deadline) = (Instant::now() + TOLD, Instant::now() + self.open_transactions);
        loop {
            let readable = self.readable_end(topic, partition)?;
            if readable >= end {
                return Ok((first, end));
            }
            let now = Instant::now();
            if now > deadline {
                return Err(store_error(format!(
                    "{topic}[{partition}] can be read up to {readable} of {end}: a transaction there has been open for {:?}",
                    self.open_transactions
                )));
            }
            if now > told {
                told = now + TOLD;
                log::info!(
                    "kafka: {topic}[{partition}]: waiting for a transaction that is open at {readable}"
                );
            }
            std::thread::sleep(TRANSACTION_ENDS);
        }
    }

    /// Up to where what is committed can be read: the first offset of a transaction that is open, or the end. Blocks.
    pub(in crate::transport::kafka) fn readable_end(
        &self,
        topic: &TopicName,
        partition: u32,
    ) -> Result<i64, StoreError> {
        Ok(self.ends_by(&self.client, topic, partition)?.1)
    }

    fn ends_by(&self, asking: &Asking, topic: &TopicName, partition: u32) -> Result<(i64, i64), StoreError> {
        let (name, deadline) = (self.names.topic(topic), Instant::now() + self.timeout);
        let mut renewal = Instant::now() + LEADER_SHOULD_BE_KNOWN;
        // A client that knows of no leader may wait for one as long as it is let: others are to have their turn.
        let mut patience = (self.timeout / TURNS).max(LEADER_SHOULD_BE_KNOWN);
        loop {
            let client = asking.get();
            let error = match client.fetch_watermarks(&name, number(partition), patience) {
                Ok(ends) => return Ok(ends),
                Err(error) => error,
            };
            let (no_leader, now) = (has_no_leader(&error), Instant::now());
            // Also when there is no time left: the next call has a client that may know better.
            if no_leader && now >= renewal {
                asking.renew(&client)?;
                renewal = now + LEADER_SHOULD_BE_KNOWN;
            }
            if now >= deadline || !(no_leader || is_late(&error)) {
                return Err(store_error(format!("asking for the end of {topic}[{partition}]: {error}")));
            }
            if !no_leader {
                // It is only slow: it may have all of the time that is left.
                patience = (deadline - now).max(LEADER_SHOULD_BE_KNOWN);
            } else {
                std::thread::sleep(LEADER_COMES);
                // What the client has heard of the topic once, it believes for minutes.
                if let Err(error) = asking.get().fetch_metadata(Some(&name), self.timeout / TURNS) {
                    log::debug!("kafka: asking for topic {topic}: {error}");
                }
            }
        }
    }
}

fn is_late(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut)
}

fn has_no_leader(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
        )
    )
}
