//! A consumer that belongs to a group without being its member: it reads what the group has committed, and commits where
//! nobody has joined, as a publisher does.

use std::{sync::Arc, time::Duration};

use pandaflow::{Group, Partition, TopicName, ports::StoreError};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use super::{
    acquire::note,
    commits::{DeskThread, Standing},
    config::KafkaConfig,
    core::Core,
    desk::{Answer, Desk, NotCommitted, Request},
    failure::{closed, failed, store_error},
    quiet::Quiet,
    topics::number,
    transactions::Setup,
};

/// The consumer, with a thread for its commits.
pub(super) struct Outsider {
    desk: Arc<Desk>,
    /// Before the consumer: it has it, too.
    thread: Option<DeskThread>,
    consumer: Arc<BaseConsumer<Quiet>>,
    timeout: Duration,
}

impl Outsider {
    /// One that commits offsets of all partitions.
    pub(super) fn committing(config: &KafkaConfig, group: &str) -> Result<Self, StoreError> {
        let mut outsider = Self::new(config, group)?;
        let (desk, consumer) = (&outsider.desk, Arc::clone(&outsider.consumer));
        outsider.thread = Some(DeskThread::committing(desk, consumer, Standing::Outsider)?);
        Ok(outsider)
    }

    /// One that commits by transactions.
    fn transacting(config: &KafkaConfig, group: &str, setup: &Arc<Setup>) -> Result<Self, StoreError> {
        let mut outsider = Self::new(config, group)?;
        outsider.thread = Some(setup.start(&outsider.desk, Arc::clone(&outsider.consumer))?);
        Ok(outsider)
    }

    fn new(config: &KafkaConfig, group: &str) -> Result<Self, StoreError> {
        let what = format!("making a client of group {group}");
        let consumer: BaseConsumer<Quiet> =
            config.outsider(group).create_with_context(Quiet::default()).map_err(failed(&what))?;
        let (desk, consumer) = (Arc::new(Desk::default()), Arc::new(consumer));
        Ok(Self { desk, thread: None, consumer, timeout: config.request_timeout })
    }

    pub(super) fn hand_in(&self, request: Request) -> Answer {
        self.desk.hand_in(request)
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

/// Commits for one partition by transactions, for whoever has acquired it last in any process.
pub(super) struct Publishing {
    outsider: Arc<Outsider>,
    setup: Arc<Setup>,
    /// Topic and partition beside which the owner's tally stands.
    tally: (String, i32),
}

impl Publishing {
    /// One that begins a transaction after an interval, or as soon as something waits if that is over. The tally stands beside a
    /// partition of this topic.
    pub(super) fn new(
        core: &Core,
        group: &Group,
        partition: Partition,
        interval: Duration,
        tally: &TopicName,
    ) -> Result<Self, StoreError> {
        let setup = Setup::outsider(core, group, partition, interval);
        let outsider = Outsider::transacting(&core.config, &core.names.group(group), &setup)?;
        let tally = (core.names.topic(tally), number(partition.0));
        Ok(Self { outsider: Arc::new(outsider), setup, tally })
    }

    /// Fences whoever has acquired the partition before, and tells the note that it has left. Blocks.
    pub(super) fn take_over(&self) -> Result<(Arc<Outsider>, String), StoreError> {
        let (topic, partition) = &self.tally;
        let note = self.setup.take_over(|| {
            let mut list = TopicPartitionList::new();
            list.add_partition(topic, *partition);
            let list = self.outsider.committed(list)?;
            let element = list.find_partition(topic, *partition);
            let element =
                element.ok_or_else(|| store_error(format!("nothing was told of {topic}[{partition}]")))?;
            // A note that can't be read now is another thing than none.
            element.error().map_err(failed("reading a committed note"))?;
            Ok(note(&element))
        })?;
        Ok((Arc::clone(&self.outsider), note))
    }
}
