//! What librdkafka calls back: noted, and done by the thread once it has returned.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

/// What the group has decided.
pub(super) enum Decided {
    /// These are ours as well.
    Assign(TopicPartitionList),
    /// These are to be given back.
    Revoke(TopicPartitionList),
    /// These are somebody else's by now.
    Lost(TopicPartitionList),
}

/// Shared by the consumer, which calls back on the thread that polls, and that thread.
#[derive(Default)]
pub(super) struct Callbacks {
    decided: Mutex<VecDeque<Decided>>,
    /// How often anything was called back: a poll that did so tells nothing else.
    calls: AtomicUsize,
    /// Whether a round of the group's was under way at the last look, of which the broker has not told the outcome.
    pub(super) joining: AtomicBool,
    /// The consumer is being dropped: what is left is given back at once.
    pub(super) leaving: AtomicBool,
}

impl Callbacks {
    pub(super) fn take(&self) -> Option<Decided> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Acquire)
    }
}

pub(super) struct MemberContext {
    pub(super) callbacks: Arc<Callbacks>,
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.callbacks.calls.fetch_add(1, Ordering::AcqRel);
        DefaultClientContext.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.callbacks.calls.fetch_add(1, Ordering::AcqRel);
        self.callbacks.joining.store(is_joining(statistics), Ordering::Release);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.callbacks.calls.fetch_add(1, Ordering::AcqRel);
        log::warn!("kafka consumer: {error}: {reason}");
    }
}

impl ConsumerContext for MemberContext {
    /// Returns at once: a partition that drains must not hold up the others.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.callbacks.calls.fetch_add(1, Ordering::AcqRel);
        let revoke = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
        if self.callbacks.leaving.load(Ordering::Acquire) {
            let _ = if revoke { give_back(consumer, list) } else { take_over(consumer, list) };
            return;
        }
        let decided = match (revoke, consumer.assignment_lost()) {
            (false, _) => Decided::Assign(list.clone()),
            (true, false) => Decided::Revoke(list.clone()),
            (true, true) => Decided::Lost(list.clone()),
        };
        self.callbacks.decided.lock().unwrap_or_else(PoisonError::into_inner).push_back(decided);
    }
}

/// Whether the client's statistics say that it waits for the answer to a JoinGroup or a SyncGroup.
fn is_joining(statistics: &[u8]) -> bool {
    let statistics = String::from_utf8_lossy(statistics);
    let state =
        statistics.split_once("\"join_state\"").map(|(_, rest)| rest.trim_start_matches([':', ' ', '"']));
    state.is_some_and(|state| state.starts_with("wait-join") || state.starts_with("wait-sync"))
}

/// Tells the group that its decision was taken.
pub(super) fn take_over(
    consumer: &BaseConsumer<MemberContext>,
    list: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        _ => consumer.assign(list),
    }
}

/// Tells the group that partitions are free.
pub(super) fn give_back(
    consumer: &BaseConsumer<MemberContext>,
    list: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_tell_whether_a_round_is_under_way() {
        for (state, joining) in [("init", false), ("wait-join", true), ("wait-sync", true), ("steady", false)]
        {
            let statistics = format!(r#"{{ "cgrp": {{ "state": "up", "join_state": "{state}", "x": 1 }} }}"#);
            assert_eq!(is_joining(statistics.as_bytes()), joining, "{state}");
        }
        assert!(!is_joining(b"{}"));
    }
}
