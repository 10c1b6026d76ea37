//! A flight: records that are sent together and confirmed together, and why they are not on the broker if they are not.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::Notify;

use crate::transport::kafka::record::Outbound;

/// Records that are confirmed together.
pub(in crate::transport::kafka) struct Flight {
    /// The topics that they go to, by their names on the broker.
    pub(super) topics: Vec<Arc<str>>,
    /// Not confirmed yet, and one for whoever still adds to it.
    pub(super) left: AtomicUsize,
    /// Nobody adds to it any more.
    pub(super) launched: AtomicBool,
    failure: Mutex<Option<NotSent>>,
    pub(super) landed: Notify,
}

/// Why records are not on the broker.
#[derive(Debug)]
pub(in crate::transport::kafka) struct NotSent {
    pub(in crate::transport::kafka) kind: NotSentKind,
    /// The topic's name on the broker.
    pub(in crate::transport::kafka) topic: String,
    pub(in crate::transport::kafka) why: String,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport::kafka) enum NotSentKind {
    /// It may be tried again.
    Later,
    /// There is no such topic, or it has no such partition.
    NoPlace,
    /// One of the records will never be taken as it is.
    Unfit,
}

impl NotSent {
    pub(super) fn new(topic: &str, error: &KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        let kind = match error.rdkafka_error_code() {
            Some(
                Code::MessageSizeTooLarge
                | Code::MessageBatchTooLarge
                | Code::InvalidRecord
                | Code::InvalidTimestamp,
            ) => NotSentKind::Unfit,
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                NotSentKind::NoPlace
            }
            _ => NotSentKind::Later,
        };
        Self { kind, topic: topic.into(), why: error.to_string() }
    }

    pub(super) fn given_up(topic: &str) -> Self {
        Self { kind: NotSentKind::Later, topic: topic.into(), why: "the producer was given up".into() }
    }
}

impl Flight {
    /// One of these records, and the records by partition.
    pub(super) fn of(records: impl Iterator<Item = Outbound>) -> (Arc<Self>, Vec<Vec<Outbound>>) {
        let (mut queues, mut topics): (Vec<Vec<Outbound>>, Vec<Arc<str>>) = (Vec::new(), Vec::new());
        for record in records {
            let is_of = |queue: &&mut Vec<Outbound>| {
                let known = &queue[0];
                known.partition == record.partition && known.topic == record.topic
            };
            match queues.iter_mut().find(is_of) {
                Some(queue) => queue.push(record),
                None => {
                    if !topics.contains(&record.topic) {
                        topics.push(Arc::clone(&record.topic));
                    }
                    queues.push(vec![record]);
                }
            }
        }
        let flight = Self {
            topics,
            left: AtomicUsize::new(1),
            launched: AtomicBool::new(false),
            failure: Mutex::default(),
            landed: Notify::new(),
        };
        (Arc::new(flight), queues)
    }

    /// How many of them were handed over and have not come back; `None` if it waits for others alone.
    pub(super) fn under_way(&self) -> Option<usize> {
        let adding = usize::from(!self.launched.load(Ordering::Acquire));
        self.left.load(Ordering::Acquire).checked_sub(adding).filter(|left| *left > 0)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn leave(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.landed.notify_one();
        }
    }

    /// Of several failures, one that trying again doesn't mend is told.
    pub(super) fn fail(&self, failure: NotSent) {
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|first| first.kind == NotSentKind::Later) {
            *first = Some(failure);
        }
    }

    /// Once it has landed: why not all of it was confirmed.
    pub(super) fn outcome(&self) -> Result<(), NotSent> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }
}
