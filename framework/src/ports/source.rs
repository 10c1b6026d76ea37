//! Sources: where events come from. A source delivers what was asked for and never waits for a handler.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    Epoch, Group, Guarantee, Partition, Record, TopicName,
    ports::{Acquired, StoreError},
};

/// What a consumer group wants to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRequest {
    /// The group.
    pub group: Group,
    /// Topics with equally many partitions; partition n of each goes to the same owner.
    pub topics: Vec<TopicName>,
    /// How often its owners' effects may become real; `None` is what the transport has been set up for. Whoever
    /// settles in one transaction anyway need not look at it.
    pub guarantee: Option<Guarantee>,
    /// Whether its owners mark events as done. A transport that does so outside of its settlements' transactions fences the
    /// dedup store before it reads a new owner's state.
    pub marks: bool,
}

impl SubscriptionRequest {
    /// A request under the transport's own guarantee, of owners that mark nothing.
    #[must_use]
    pub fn new(group: Group, topics: Vec<TopicName>) -> Self {
        Self { group, topics, guarantee: None, marks: false }
    }
}

/// Records of one partition, in order.
#[derive(Debug)]
pub struct Batch {
    /// The assignment that they belong to.
    pub epoch: Epoch,
    /// The partition number.
    pub partition: Partition,
    /// The place of their topic in the request's list.
    pub input: usize,
    /// The records.
    pub records: Vec<Record>,
}

/// A partition number of all topics of a subscription, given to this process.
pub struct Assignment {
    /// Owner, progress, ledger and attempts as stored.
    pub acquired: Acquired,
    /// How to ask for records. Nothing is delivered before the first request.
    pub demand: Arc<dyn Demand>,
}

/// Asks a source for records of one assigned partition.
pub trait Demand: Send + Sync {
    /// Allows the delivery of as many events and bytes more than were allowed before. A source may go over
    /// the bytes by one record.
    fn request(&self, events: usize, bytes: usize);
}

/// What a source tells its subscriber. Calls come from the source's thread and must return at once.
pub trait Assignee: Send + Sync {
    /// A partition is ours.
    fn assigned(&self, assignment: Assignment);

    /// Records have come, at most as many as were asked for.
    fn delivered(&self, batch: Batch);

    /// A partition is to be given back: drain, settle, then drop `released`.
    fn revoked(&self, partition: Partition, epoch: Epoch, released: Box<dyn Send>);

    /// A partition was lost: nothing of it can be settled any more.
    fn lost(&self, partition: Partition, epoch: Epoch);

    /// The source can't go on.
    fn failed(&self, error: StoreError);

    /// The source's loop turns. A source that polls a server says so about once a second, also while nothing comes; others
    /// have nothing to say.
    fn beat(&self) {}
}

/// A subscription that is under way; it ends when it is closed.
pub trait Subscription: Send + Sync {
    /// Starts an assigned partition over, after its task failed: acquires it anew, under a higher epoch, and
    /// calls [`Assignee::assigned`] again, from where the last settlement left it. Nothing of the old epoch is
    /// delivered after that.
    fn restart(&self, partition: Partition) -> BoxFuture<'static, Result<(), StoreError>>;

    /// Stops deliveries and gives all partitions back. Resolves when every `revoked` has been let go.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// Where events come from.
pub trait Source: Send + Sync {
    /// Joins a group.
    ///
    /// # Errors
    /// A topic is missing, or the topics' partitions are not equally many.
    fn subscribe(
        &self,
        request: SubscriptionRequest,
        assignee: Arc<dyn Assignee>,
    ) -> Result<Arc<dyn Subscription>, StoreError>;
}
