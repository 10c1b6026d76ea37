//! The source: checks what a subscription asks for, then starts its member.

use std::sync::{Arc, Weak};

use pandaflow::{
    Partition, TopicName,
    ports::{Assignee, Source, StoreError, Subscription, SubscriptionRequest},
};

use super::{core::Core, failure::store_error, member};

/// [`Source`] on Kafka.
pub(super) struct KafkaSource(pub(super) Arc<Core>);

impl Source for KafkaSource {
    /// Waits for the broker to tell of the topics, `request_timeout` at most for each question.
    fn subscribe(
        &self,
        request: SubscriptionRequest,
        assignee: Arc<dyn Assignee>,
    ) -> Result<Arc<dyn Subscription>, StoreError> {
        let core = Arc::clone(&self.0);
        let patience = core.config.request_timeout * 3;
        let (asking, asked) = (Arc::clone(&core), request.clone());
        let partitions = core.background.wait_for(async move { prepare(&asking, &asked).await }, patience)?;
        let places =
            request.topics.iter().flat_map(|topic| (0..partitions).map(|n| (topic.clone(), Partition(n))));
        core.owners.reads(&request.group, places);
        let subscription: Arc<dyn Subscription> = member::join(&core, request, assignee)?;
        let weak: Weak<dyn Subscription> = Arc::downgrade(&subscription);
        core.remember(weak);
        Ok(subscription)
    }
}

/// Checks the topics, and makes those that the group keeps for itself, unless a database does. Tells how many partitions there are.
async fn prepare(core: &Arc<Core>, request: &SubscriptionRequest) -> Result<u32, StoreError> {
    let (asking, topics) = (Arc::clone(core), request.topics.clone());
    let counted = core.background.ask(move || {
        topics.iter().map(|topic| asking.topics.must_have(topic)).collect::<Result<Vec<u32>, _>>()
    });
    let counts = counted.await?;
    let Some(first) = counts.first().copied() else {
        return Err(store_error(format!("{} subscribes to no topic: name at least one", request.group)));
    };
    if counts.iter().any(|count| *count != first) {
        let has = |(topic, count): (&TopicName, &u32)| format!("{topic} has {count}");
        let counts: Vec<String> = request.topics.iter().zip(&counts).map(has).collect();
        return Err(store_error(format!(
            "the inputs of {} need equally many partitions: {}",
            request.group,
            counts.join(", ")
        )));
    }
    if core.config.settle_in.is_some() {
        return Ok(first);
    }
    let mut own = vec![core.changelog(&request.group, first)];
    own.extend(request.topics.iter().map(|topic| core.dead_letter_topic(topic, first)));
    core.make_topics(own).await?;
    core.changelog_for(&request.group, first - 1, first).await?;
    Ok(first)
}
