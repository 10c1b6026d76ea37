//! A consumer that belongs to a group without being its member: it reads what the group has committed, and commits where
//! nobody has joined, as a publisher does.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use pandaflow::ports::StoreError;
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use super::{
    commits::{Answer, CommitDesk, CommitThread, Entry, NotCommitted, Standing},
    config::KafkaConfig,
    failure::{closed, failed},
    quiet::Quiet,
};

/// The consumer, with a thread for its commits.
pub(super) struct Outsider {
    desk: Arc<CommitDesk>,
    /// Before the consumer: it has it, too.
    thread: Option<CommitThread>,
    consumer: Arc<BaseConsumer<Quiet>>,
    timeout: Duration,
}

impl Outsider {
    pub(super) fn new(config: &KafkaConfig, group: &str) -> Result<Self, StoreError> {
        let what = format!("making a client of group {group}");
        let consumer: BaseConsumer<Quiet> =
            config.outsider(group).create_with_context(Quiet::default()).map_err(failed(&what))?;
        let (desk, consumer) = (Arc::new(CommitDesk::default()), Arc::new(consumer));
        let thread = Some(CommitThread::start(&desk, Arc::clone(&consumer), Standing::Outsider)?);
        Ok(Self { desk, thread, consumer, timeout: config.request_timeout })
    }

    pub(super) fn commit(&self, entries: Vec<Entry>, held: Arc<AtomicBool>) -> Answer {
        self.desk.commit(entries, held)
    }

    /// What the group has committed. Blocks.
    pub(super) fn committed(&self, list: TopicPartitionList) -> Result<TopicPartitionList, StoreError> {
        // What the client tells besides would pile up.
        while self.consumer.poll(Duration::ZERO).is_some() {}
        let what = "reading committed offsets";
        self.consumer.committed_offsets(list, self.timeout).map_err(failed(what))
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        self.desk.give_back(&NotCommitted::Retry(closed().message));
        drop(self.thread.take());
    }
}
