//! Whether the program's user may do what it has to: what a broker does not show may be hidden or missing.

use pandaflow::{Group, TopicName};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{Broker, BrokerError, listener::Listener, reach::off_thread};

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
    pub async fn may_use_group(&self, group: &Group, topic: &TopicName) -> Result<bool, BrokerError> {
        let mut config = self.config.clone();
        config.set("group.id", group.as_str());
        let (topic, timeout) = (topic.clone(), self.timeout);
        let asked = off_thread(move || {
            let consumer: BaseConsumer<Listener> = config.create_with_context(Listener::default())?;
            let mut partition = TopicPartitionList::new();
            partition.add_partition_offset(&topic, 0, Offset::Invalid)?;
            let committed = consumer.committed_offsets(partition, timeout)?;
            committed.elements().first().map_or(Ok(()), |element| element.error())
        })?;
        match asked.await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(error))
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed) =>
            {
                Ok(false)
            }
            // The topic is another question.
            Ok(Err(error))
                if matches!(
                    error.rdkafka_error_code(),
                    Some(
                        RDKafkaErrorCode::UnknownTopicOrPartition
                            | RDKafkaErrorCode::TopicAuthorizationFailed
                    )
                ) =>
            {
                Ok(true)
            }
            Ok(Err(error)) => Err(self.failed(&format!("group {group} can't be asked for"), &error)),
            Err(_) => Err(BrokerError::client(&KafkaError::Canceled)),
        }
    }
}
