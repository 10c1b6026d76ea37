//! Reading partitions of a topic from somewhere to their ends, without a group.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use pandaflow::{Offset as PlaceInLog, TopicName, ports::StoreError};
use rdkafka::{
    Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
    topic_partition_list::Offset,
};

use super::{
    core::Core,
    failure::{failed, store_error},
    quiet::Quiet,
    topics::number,
};

/// Reads each partition from its offset (from the first one that there is, if that is later) to the end that it has
/// when it gets there, and calls `each` for every record that is committed. What the log holds when it is called is
/// committed or aborted by then: transactions that are open are waited for. Blocks.
///
/// The end is where the client says it is. Offsets don't tell: the last of them may belong to a transaction's end, or to
/// records that were aborted or thrown away.
pub(super) fn read_to_end(
    core: &Core,
    topic: &TopicName,
    from: &[(u32, i64)],
    mut each: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), StoreError> {
    let (mut left, mut list) = (BTreeSet::new(), TopicPartitionList::new());
    let name = core.names.topic(topic);
    for (partition, offset) in from {
        let (first, end) = core.topics.settled_ends(topic, *partition)?;
        if first.max(*offset) < end {
            left.insert(number(*partition));
            list.add_partition_offset(&name, number(*partition), Offset::Offset(first.max(*offset)))
                .map_err(failed("reading a topic"))?;
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    let what = format!("reading topic {topic}");
    let consumer: BaseConsumer<Quiet> =
        core.config.reader().create_with_context(Quiet::default()).map_err(failed(&what))?;
    consumer.assign(&list).map_err(failed(&what))?;
    // Longer than a request: the first answer comes after the client has connected.
    let patience = core.config.request_timeout * 2;
    let mut heard = Instant::now();
    let (mut records, mut told) = (0_u64, Instant::now());
    while !left.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                heard = Instant::now();
                records += 1;
                each(&message);
                if told.elapsed() > Duration::from_secs(5) {
                    told = Instant::now();
                    log::info!(
                        "kafka: {what}: {records} records, at {} of partition {}",
                        message.offset(),
                        message.partition()
                    );
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                heard = Instant::now();
                left.remove(&partition);
            }
            Some(Err(error)) if consumer.client().fatal_error().is_some() => {
                return Err(failed(&what)(error));
            }
            Some(Err(error)) => log::debug!("kafka: {what}: {error}"),
        }
        if heard.elapsed() > patience {
            return Err(store_error(format!("{what}: nothing came for {patience:?}")));
        }
    }
    Ok(())
}

/// Whether a partition has a record at an offset or after it. Blocks.
pub(super) fn has_any(
    core: &Core,
    topic: &TopicName,
    partition: u32,
    from: PlaceInLog,
) -> Result<bool, StoreError> {
    let (first, end) = core.topics.ends(topic, partition)?;
    let from = first.max(i64::try_from(from.0).unwrap_or(i64::MAX));
    if from >= end {
        return Ok(false);
    }
    let what = format!("looking into {topic}[{partition}]");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&core.names.topic(topic), number(partition), Offset::Offset(from))
        .map_err(failed(&what))?;
    let consumer: BaseConsumer<Quiet> =
        core.config.reader().create_with_context(Quiet::default()).map_err(failed(&what))?;
    consumer.assign(&list).map_err(failed(&what))?;
    let deadline = Instant::now() + core.config.request_timeout;
    while Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(_)) => return Ok(true),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(false),
            Some(Err(_)) | None => {}
        }
    }
    Err(store_error(format!("{what}: nothing came in time")))
}
