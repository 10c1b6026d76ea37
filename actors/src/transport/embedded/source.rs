//! Sources: one thread a subscription reads the log and delivers what was asked for.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    Partition,
    ports::{Assignee, Owner, Source, StoreError, Subscription, SubscriptionRequest},
};
use tokio::sync::{oneshot, watch};

use super::{
    bell::{Bell, Order, Restart},
    catalog::Topic,
    connection::{open_reader, store_error},
    delivery::Delivery,
    inner::Inner,
    queue::{Job, Queue},
};

/// Where events come from.
pub(super) struct EmbeddedSource(pub(super) Arc<Inner>);

impl Source for EmbeddedSource {
    /// All partitions are assigned at once, since one process owns the file. A later subscription of the same
    /// group takes over: the earlier one loses its partitions.
    fn subscribe(
        &self,
        request: SubscriptionRequest,
        assignee: Arc<dyn Assignee>,
    ) -> Result<Arc<dyn Subscription>, StoreError> {
        let inner = &self.0;
        let topics: Vec<Arc<Topic>> =
            request.topics.iter().map(|topic| inner.catalog.known_topic(topic)).collect::<Result<_, _>>()?;
        let partitions = equally_many(&request, &topics)?;
        let bell = Bell::new(usize::try_from(partitions).unwrap_or(usize::MAX));
        let (released, all_released) = watch::channel(());
        inner.listeners.bells.hang(topics.iter().map(|topic| topic.id).collect(), &bell);
        inner.take_over(request.clone(), &bell);
        let connection = open_reader(&inner.file).map_err(store_error)?;
        let delivery = Delivery::new(
            request,
            topics,
            assignee.clone(),
            bell.clone(),
            released,
            connection,
            inner.queue.clone(),
        );
        inner
            .threads
            .run("pandaflow-source", bell.clone(), move || delivery.run())
            .map_err(|error| store_error(format!("starting a source: {error}")))?;
        Ok(Arc::new(EmbeddedSubscription { bell, all_released }))
    }
}

fn equally_many(request: &SubscriptionRequest, topics: &[Arc<Topic>]) -> Result<u32, StoreError> {
    let Some(first) = topics.first() else {
        return Err(store_error(format!("{} subscribes to no topic", request.group)));
    };
    match topics.iter().find(|topic| topic.partitions != first.partitions) {
        None => Ok(first.partitions),
        Some(other) => Err(store_error(format!(
            "{} reads {} with {} partitions and {} with {}: they must have equally many",
            request.group, first.name, first.partitions, other.name, other.partitions
        ))),
    }
}

/// A subscription that is under way. Dropping it ends it as closing does.
struct EmbeddedSubscription {
    bell: Arc<Bell>,
    /// Ends when every `revoked` was let go.
    all_released: watch::Receiver<()>,
}

impl Subscription for EmbeddedSubscription {
    fn restart(&self, partition: Partition) -> BoxFuture<'static, Result<(), StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.bell.restart(Restart { place: partition.0 as usize, reply });
        let gone = move |_| Err(store_error(format!("partition {partition} is not assigned")));
        answer.map(move |answer| answer.unwrap_or_else(gone)).boxed()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        self.bell.order(Order::Close);
        let mut released = self.all_released.clone();
        async move { while released.changed().await.is_ok() {} }.boxed()
    }
}

impl Drop for EmbeddedSubscription {
    fn drop(&mut self) {
        self.bell.order(Order::Close);
    }
}

/// Held until a partition is released; then its owner can settle no more. The last one ends the closing.
pub(super) struct Released {
    pub(super) owner: Owner,
    pub(super) queue: Arc<Queue>,
    pub(super) _subscription: Arc<watch::Sender<()>>,
}

impl Drop for Released {
    fn drop(&mut self) {
        self.queue.push(Job::Retire(self.owner.clone()));
    }
}
