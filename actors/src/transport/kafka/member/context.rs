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

    fn stats_raw(&self, _: &[u8]) {
        self.callbacks.calls.fetch_add(1, Ordering::AcqRel);
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
