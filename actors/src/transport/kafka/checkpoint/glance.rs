//! A glance at single places of a topic: which record lies there now.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use pandaflow::{TopicName, ports::StoreError};
use rdkafka::{
    Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    topic_partition_list::Offset,
};

use super::{mark::Witness, row::witness};
use crate::transport::kafka::{
    core::Core,
    failure::{failed, store_error},
    quiet::Quiet,
    topics::number,
};

/// The first committed record at each of these offsets or behind, by partition; none of those that have none. Blocks.
pub(super) fn records_at(
    core: &Core,
    topic: &TopicName,
    places: &BTreeMap<u32, i64>,
) -> Result<BTreeMap<u32, Witness>, StoreError> {
    let mut found = BTreeMap::new();
    if places.is_empty() {
        return Ok(found);
    }
    let what = format!("looking whether checkpoints of topic {topic} fit");
    let (name, mut list) = (core.names.topic(topic), TopicPartitionList::new());
    for (partition, offset) in places {
        list.add_partition_offset(&name, number(*partition), Offset::Offset(*offset))
            .map_err(failed(&what))?;
    }
    let consumer: BaseConsumer<Quiet> =
        core.config.glancing().create_with_context(Quiet::default()).map_err(failed(&what))?;
    consumer.assign(&list).map_err(failed(&what))?;
    let deadline = Instant::now() + core.config.request_timeout;
    let mut left: Vec<u32> = places.keys().copied().collect();
    while !left.is_empty() {
        if Instant::now() > deadline {
            return Err(store_error(format!("{what}: nothing came in time")));
        }
        let partition = match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let partition = u32::try_from(message.partition()).unwrap_or(0);
                found.entry(partition).or_insert_with(|| witness(&message));
                partition
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => u32::try_from(partition).unwrap_or(0),
            Some(Err(error)) if consumer.client().fatal_error().is_some() => {
                return Err(failed(&what)(error));
            }
            Some(Err(_)) | None => continue,
        };
        left.retain(|left| *left != partition);
    }
    Ok(found)
}
