//! Reading partitions of a topic from somewhere to their ends, without a group.

use std::{
    collections::BTreeMap,
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
/// when it gets there, and calls `each` for every record that is committed, as long as that is wanted. What the log holds when
/// it is called is committed or aborted by then: transactions that are open are waited for. Blocks.
///
/// The end is where the client says it is. Offsets don't tell: the last of them may belong to a transaction's end, or to
/// records that were aborted or thrown away.
pub(super) fn read_to_end(
    core: &Core,
    topic: &TopicName,
    from: &[(u32, i64)],
    wanted: &dyn Fn() -> bool,
    each: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), StoreError> {
    let mut stretches = Vec::with_capacity(from.len());
    for (partition, offset) in from {
        let (first, end) = core.topics.settled_ends(topic, *partition)?;
        stretches.push(Stretch { partition: *partition, from: first.max(*offset), end });
    }
    read_stretches(core, topic, &stretches, wanted, each)
}

/// A part of a partition's log.
pub(super) struct Stretch {
    pub(super) partition: u32,
    pub(super) from: i64,
    /// Where it could be read to just now.
    pub(super) end: i64,
}

/// As [`read_to_end`], with what was found out of the ends.
pub(super) fn read_stretches(
    core: &Core,
    topic: &TopicName,
    stretches: &[Stretch],
    wanted: &dyn Fn() -> bool,
    mut each: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), StoreError> {
    let (mut left, mut list) = (BTreeMap::new(), TopicPartitionList::new());
    let name = core.names.topic(topic);
    for Stretch { partition, from, end } in stretches {
        if from < end {
            left.insert(number(*partition), Left { next: *from, end: *end, sure: false });
            list.add_partition_offset(&name, number(*partition), Offset::Offset(*from))
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
    while !left.is_empty() && wanted() {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                heard = Instant::now();
                records += 1;
                if let Some(left) = left.get_mut(&message.partition()) {
                    left.next = message.offset() + 1;
                }
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
                match left.get_mut(&partition) {
                    Some(short) if short.falls_short() => {
                        short.look_again(core, topic, partition, &consumer)?
                    }
                    _ => drop(left.remove(&partition)),
                }
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

/// A partition that has not been read to its end.
struct Left {
    /// The offset behind the last record that came.
    next: i64,
    /// The end that it had at first.
    end: i64,
    /// The leader has told of an end again, since it had told of one that falls short.
    sure: bool,
}

impl Left {
    /// Whether an end that is told of now may be too early: a leader that was just elected doesn't know yet what was
    /// confirmed last, and tells its readers of an end before that. With holes at the end no record comes that reaches it.
    fn falls_short(&self) -> bool {
        self.next < self.end && !self.sure
    }

    /// Asks the leader for the end, which it tells only once it knows it, and has it read to there. Blocks.
    fn look_again(
        &mut self,
        core: &Core,
        topic: &TopicName,
        partition: i32,
        consumer: &BaseConsumer<Quiet>,
    ) -> Result<(), StoreError> {
        core.topics.ends(topic, u32::try_from(partition).unwrap_or(0))?;
        self.sure = true;
        let what = format!("reading topic {topic}");
        let name = core.names.topic(topic);
        let (at, patience) = (Offset::Offset(self.next), core.config.request_timeout);
        consumer.seek(&name, partition, at, patience).map_err(failed(&what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_below_the_first_one_is_taken_only_when_it_is_told_again() {
        let short = Left { next: 7, end: 10, sure: false };
        assert!(short.falls_short());
        assert!(!Left { sure: true, ..short }.falls_short(), "there are holes at the end");
        assert!(!Left { next: 10, end: 10, sure: false }.falls_short());
    }
}
