//! Subscriptions: which readers a group has, and how they begin and end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use futures_util::{FutureExt, future::BoxFuture};
use hashbrown::HashMap;
use pandaflow::{
    Group, Partition, TopicName,
    ports::{Assignee, Owner, Source, StoreError, Subscription, SubscriptionRequest},
};
use tokio::sync::watch;

use super::{
    STORE,
    core::{Core, ready},
    lock::Lock,
    log::Log,
    reader::{Ending, Reader},
    topics::Topic,
};

/// The newest subscription of each group.
#[derive(Default)]
pub(super) struct Subscriptions(Lock<HashMap<Group, Weak<Membership>>>);

/// [`Source`] in memory.
pub(super) struct MemorySource(pub(super) Arc<Core>);

impl Source for MemorySource {
    fn subscribe(
        &self,
        request: SubscriptionRequest,
        assignee: Arc<dyn Assignee>,
    ) -> Result<Arc<dyn Subscription>, StoreError> {
        let topics = co_partitioned(&self.0, &request)?;
        let membership = Arc::new(Membership {
            core: Arc::clone(&self.0),
            group: request.group.clone(),
            names: request.topics,
            topics,
            assignee,
            owned: Lock::default(),
            tokens: watch::Sender::new(0),
        });
        // One process, one member: a new subscription takes over from the one before.
        let former = self.0.subscriptions.0.lock().insert(request.group, Arc::downgrade(&membership));
        if let Some(former) = former.and_then(|former| former.upgrade()) {
            former.lose_all();
        }
        for partition in membership.partitions() {
            membership.assign(partition);
        }
        Ok(Arc::new(MemorySubscription(membership)))
    }
}

fn co_partitioned(core: &Core, request: &SubscriptionRequest) -> Result<Vec<Arc<Topic>>, StoreError> {
    let refused = |message| StoreError { store: STORE, message };
    let topics: Vec<_> = request.topics.iter().map(|name| core.topics.get(name)).collect::<Result<_, _>>()?;
    let Some(first) = topics.first() else {
        return Err(refused(format!("{} subscribes to no topic: name at least one", request.group)));
    };
    if topics.iter().any(|topic| topic.partitions() != first.partitions()) {
        let counts: Vec<_> = request
            .topics
            .iter()
            .zip(&topics)
            .map(|(name, topic)| format!("{name} has {}", topic.partitions()))
            .collect();
        return Err(refused(format!(
            "the inputs of {} need equally many partitions: {}",
            request.group,
            counts.join(", ")
        )));
    }
    Ok(topics)
}

/// A partition from its assignment until it is given back or lost.
struct Owned {
    reader: Arc<Reader>,
    /// Whether it is on its way back.
    draining: bool,
}

/// One member of a group, which owns all partitions that are not taken from it.
pub(super) struct Membership {
    core: Arc<Core>,
    group: Group,
    names: Vec<TopicName>,
    topics: Vec<Arc<Topic>>,
    assignee: Arc<dyn Assignee>,
    owned: Lock<BTreeMap<Partition, Owned>>,
    /// How many `released` tokens are out.
    tokens: watch::Sender<usize>,
}

impl Membership {
    fn partitions(&self) -> impl Iterator<Item = Partition> {
        (0..self.topics.first().map_or(0, |topic| topic.partitions())).map(Partition)
    }

    /// Gives a partition to the assignee in a new epoch.
    fn assign(&self, partition: Partition) {
        let acquired = self.core.acquire(self.group.clone(), partition, self.names.clone());
        let logs: Vec<Arc<Log>> =
            self.topics.iter().filter_map(|topic| topic.log(partition).cloned()).collect();
        let reader = Reader::new(Arc::clone(&self.assignee), logs, &acquired);
        let owned = Owned { reader: Arc::clone(&reader), draining: false };
        let former = self.owned.lock().insert(partition, owned);
        match former {
            Some(former) => former.reader.end(Ending::Replaced(reader, acquired)),
            None => reader.start(acquired),
        }
    }

    fn restart(&self, partition: Partition) -> Result<(), StoreError> {
        if self.owned.lock().get(&partition).is_none_or(|owned| owned.draining) {
            let message = format!("{} doesn't own partition {partition} any more", self.group);
            return Err(StoreError { store: STORE, message });
        }
        self.assign(partition);
        Ok(())
    }

    fn revoke(self: &Arc<Self>, partition: Partition) {
        let reader = match self.owned.lock().get_mut(&partition) {
            Some(owned) if !owned.draining => {
                owned.draining = true;
                Arc::clone(&owned.reader)
            }
            _ => return,
        };
        self.tokens.send_modify(|out| *out += 1);
        let owner = self.owner(partition, &reader);
        reader.end(Ending::Revoked(Box::new(Released { membership: Arc::clone(self), owner })));
    }

    fn lose(&self, partition: Partition) {
        let lost = self.owned.lock().remove(&partition);
        if let Some(lost) = lost {
            self.core.retire(&self.owner(partition, &lost.reader));
            lost.reader.end(Ending::Lost);
        }
    }

    fn released(&self, owner: &Owner) {
        self.core.retire(owner);
        let mut owned = self.owned.lock();
        if owned.get(&owner.partition).is_some_and(|owned| owned.reader.epoch() == owner.epoch) {
            owned.remove(&owner.partition);
        }
    }

    fn lose_all(&self) {
        for partition in self.partitions() {
            self.lose(partition);
        }
    }

    fn owner(&self, partition: Partition, reader: &Reader) -> Owner {
        Owner { group: self.group.clone(), partition, epoch: reader.epoch() }
    }
}

/// A member as its subscriber has it.
struct MemorySubscription(Arc<Membership>);

impl Subscription for MemorySubscription {
    fn restart(&self, partition: Partition) -> BoxFuture<'static, Result<(), StoreError>> {
        ready(self.0.restart(partition))
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        for partition in self.0.partitions() {
            self.0.revoke(partition);
        }
        let mut tokens = self.0.tokens.subscribe();
        async move {
            // An error means that the subscription is gone, and its tokens with it.
            drop(tokens.wait_for(|out| *out == 0).await);
        }
        .boxed()
    }
}

/// Held by an owner that drains; once let go, nothing of that owner is settled any more.
struct Released {
    membership: Arc<Membership>,
    owner: Owner,
}

impl Drop for Released {
    fn drop(&mut self) {
        self.membership.released(&self.owner);
        self.membership.tokens.send_modify(|out| *out -= 1);
    }
}

impl Core {
    fn membership(&self, group: &Group) -> Option<Arc<Membership>> {
        self.subscriptions.0.lock().get(group)?.upgrade()
    }

    /// Asks the owner of a partition to give it back.
    pub(super) fn revoke(&self, group: &Group, partition: Partition) {
        if let Some(membership) = self.membership(group) {
            membership.revoke(partition);
        }
    }

    /// Takes a partition away.
    pub(super) fn lose(&self, group: &Group, partition: Partition) {
        if let Some(membership) = self.membership(group) {
            membership.lose(partition);
        }
    }

    /// Gives a partition to the group's subscription, in a new epoch.
    pub(super) fn assign_again(&self, group: &Group, partition: Partition) {
        if let Some(membership) = self.membership(group) {
            membership.assign(partition);
        }
    }
}
