//! Whether the program's user may do what it has to: what a broker does not show may be hidden or missing.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use pandaflow::TopicName;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    topic_partition_list::TopicPartitionListElem,
};
use tokio::{sync::oneshot::error::TryRecvError, time::sleep};

use super::{
    Broker, BrokerError,
    listener::{Listener, serve},
    reach::{LOOK_EVERY, off_thread},
};

impl Broker {
    /// The topics among these, which the broker did not show, that are hidden rather than missing.
    ///
    /// # Errors
    /// The broker did not answer.
    pub async fn hidden(&self, topics: &[TopicName]) -> Result<Vec<TopicName>, BrokerError> {
        let mut hidden = Vec::new();
        for topic in topics {
            let (consumer, name, timeout) = (self.consumer.clone(), topic.clone(), self.timeout);
            let answer = off_thread(move || consumer.fetch_metadata(Some(&name), timeout))?.await;
            let metadata = match answer {
                Ok(Ok(metadata)) => metadata,
                Ok(Err(error)) => return Err(self.failed(&format!("{topic} can't be asked for"), &error)),
                Err(_) => return Err(BrokerError::client(&KafkaError::Canceled)),
            };
            let code =
                metadata.topics().iter().find(|one| one.name() == topic.as_str()).and_then(|one| one.error());
            if code.map(RDKafkaErrorCode::from) == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
                hidden.push(topic.clone());
            }
        }
        Ok(hidden)
    }

    /// Whether the program's user may use a consumer group: what it has committed is asked for, which joins nothing.
    ///
    /// # Errors
    /// The broker did not answer.
    pub async fn may_use_group(&self, group: &str, topic: &TopicName) -> Result<bool, BrokerError> {
        let mut config = self.config.clone();
        config.set("group.id", group);
        let consumer: BaseConsumer<Listener> =
            config.create_with_context(Listener::default()).map_err(|error| BrokerError::client(&error))?;
        let (consumer, topic) = (Arc::new(consumer), topic.clone());
        let (asking, timeout) = (consumer.clone(), self.timeout);
        let mut answer = off_thread(move || committed(&asking, &topic, timeout))?;
        loop {
            // Who may not is told so here, and the question just gets no answer.
            serve(&consumer);
            if consumer.context().has_heard(RDKafkaErrorCode::GroupAuthorizationFailed) {
                return Ok(false);
            }
            match answer.try_recv() {
                Ok(Ok(allowed)) => return Ok(allowed),
                Ok(Err(error)) => {
                    return Err(self.failed(&format!("group {group} can't be asked for"), &error));
                }
                Err(TryRecvError::Closed) => return Err(BrokerError::client(&KafkaError::Canceled)),
                Err(TryRecvError::Empty) => sleep(LOOK_EVERY).await,
            }
        }
    }
}

/// Asks what a group has committed, again while its coordinator is only just being found.
fn committed(consumer: &BaseConsumer<Listener>, topic: &TopicName, timeout: Duration) -> KafkaResult<bool> {
    use RDKafkaErrorCode as Code;
    let deadline = Instant::now() + timeout;
    loop {
        let mut partition = TopicPartitionList::new();
        partition.add_partition_offset(topic, 0, Offset::Invalid)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = consumer
            .committed_offsets(partition, left)
            .and_then(|committed| committed.elements().first().map_or(Ok(()), TopicPartitionListElem::error));
        let Err(error) = answer else { return Ok(true) };
        match error.rdkafka_error_code() {
            Some(Code::GroupAuthorizationFailed) => return Ok(false),
            // The topic is another question.
            Some(Code::UnknownTopicOrPartition | Code::TopicAuthorizationFailed) => return Ok(true),
            Some(Code::NotCoordinator | Code::CoordinatorNotAvailable | Code::CoordinatorLoadInProgress)
                if Instant::now() < deadline =>
            {
                thread::sleep(LOOK_EVERY);
            }
            _ => return Err(error),
        }
    }
}
