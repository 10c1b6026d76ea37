//! A consumer that belongs to a group without being its member: it reads what the group has committed, and commits where
//! nobody has joined, as a publisher does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pandaflow::ports::StoreError;
use rdkafka::{
    ClientContext, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
};

use super::{
    bell::Bell,
    commits::{CommitDesk, NotCommitted},
    config::KafkaConfig,
    failure::{failed, store_error},
};

/// How long its thread sleeps when nobody wakes it.
const NAP: Duration = Duration::from_millis(500);

/// What its thread and its users share.
#[derive(Default)]
pub(super) struct Desk {
    commits: CommitDesk,
    bell: Bell,
    closed: AtomicBool,
}

struct Context(Arc<Desk>);

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        log::debug!("kafka: {error}: {reason}");
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        self.0.commits.answered(&result, offsets);
    }
}

/// The consumer, with a thread that serves its commits.
pub(super) struct Outsider {
    consumer: Arc<BaseConsumer<Context>>,
    desk: Arc<Desk>,
    timeout: Duration,
}

impl Outsider {
    pub(super) fn new(config: &KafkaConfig, group: &str) -> Result<Self, StoreError> {
        let desk = Arc::new(Desk::default());
        let what = format!("making a client of group {group}");
        let mut consumer: BaseConsumer<Context> =
            config.outsider(group).create_with_context(Context(Arc::clone(&desk))).map_err(failed(&what))?;
        let ringer = Arc::clone(&desk);
        consumer.set_nonempty_callback(move || ringer.bell.ring());
        let consumer = Arc::new(consumer);
        let (serving, served) = (Arc::clone(&desk), Arc::clone(&consumer));
        let serve = move || {
            serving.bell.answer();
            while !serving.closed.load(Ordering::Acquire) {
                serving.commits.send(&served);
                // A commit that was answered shows as nothing; the bell rings for each.
                if served.poll(Duration::ZERO).is_none() {
                    serving.bell.wait(if serving.commits.is_idle() { NAP } else { NAP / 50 });
                }
            }
            serving.commits.close(&NotCommitted::Retry("the transport is closed".into()));
        };
        std::thread::Builder::new()
            .name("kafka-outsider".into())
            .spawn(serve)
            .map_err(|error| store_error(format!("{what}: {error}")))?;
        Ok(Self { consumer, desk, timeout: config.request_timeout })
    }

    pub(super) fn commit(&self, entries: Vec<super::commits::Entry>) -> super::commits::Answer {
        self.desk.commits.commit(entries, &self.desk.bell)
    }

    /// What the group has committed. Blocks.
    pub(super) fn committed(&self, list: TopicPartitionList) -> Result<TopicPartitionList, StoreError> {
        let what = "reading committed offsets";
        self.consumer.committed_offsets(list, self.timeout).map_err(failed(what))
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        self.desk.closed.store(true, Ordering::Release);
        self.desk.bell.ring();
    }
}
