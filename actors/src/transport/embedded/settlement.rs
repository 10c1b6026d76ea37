//! The settlement port: hands over to the writer.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    Group, Partition, TopicName,
    ports::{Acquired, Settlement, SettlementStore, StoreError, Unsettled},
};
use tokio::sync::oneshot;

use super::{
    inner::Inner,
    queue::{AcquireJob, Job, Queue, SettleJob},
    writer::closed,
};

/// Makes effects real.
pub(super) struct EmbeddedSettlement(pub(super) Arc<Inner>);

impl SettlementStore for EmbeddedSettlement {
    fn acquire(
        &self,
        group: Group,
        partition: Partition,
        topics: Vec<TopicName>,
    ) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        let answer = acquire(&self.0.queue, group, partition, topics);
        answer.map(|answer| answer.unwrap_or_else(|_| Err(closed()))).boxed()
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        let (reply, answer) = oneshot::channel();
        let queue = self.0.queue.clone();
        queue.settle(SettleJob::new(settlement, reply));
        let answer = async move {
            let answer = answer.await.expect("a job answers, if only when it is dropped");
            answer.map_err(|(unsettled, read)| {
                if let Some(read) = read {
                    read.read(queue.calls());
                }
                unsettled
            })
        };
        answer.boxed()
    }
}

/// Asks the writer for a partition.
pub(super) fn acquire(
    queue: &Queue,
    group: Group,
    partition: Partition,
    topics: Vec<TopicName>,
) -> oneshot::Receiver<Result<Acquired, StoreError>> {
    let (reply, answer) = oneshot::channel();
    // If the queue is closed, the job is dropped and with it the reply: the caller sees that.
    queue.push(Job::Acquire(AcquireJob { group, partition, topics, reply }));
    answer
}
