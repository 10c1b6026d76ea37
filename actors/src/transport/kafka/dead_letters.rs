//! The dead-letter store: written by settlements to `{topic}.dlq`, read from there.

use std::{cell::Cell, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    DeadLetter, Timestamp, TopicName,
    ports::{DeadLetterFilter, DeadLetterId, DeadLetterStore, Filing, StoreError, StoredDeadLetter},
};
use rdkafka::{Message, message::BorrowedMessage};

use super::{
    core::Core, dead_letter_record::read_dead_letter, failure::store_error, log_reader::read_to_end,
};

/// Records that are looked at in each partition, from the newest back, at most.
const LOOK_BACK: i64 = 10_000;

/// [`DeadLetterStore`] on Kafka.
pub(super) struct KafkaDeadLetters(pub(super) Arc<Core>);

impl DeadLetterStore for KafkaDeadLetters {
    fn file(&self, letter: DeadLetter) -> BoxFuture<'static, Result<Filing, StoreError>> {
        std::future::ready(Ok(Filing::WithSettlement(Box::new(letter)))).boxed()
    }

    /// Looks at the newest 10,000 of each partition of each dead-letter topic.
    fn list(
        &self,
        filter: DeadLetterFilter,
    ) -> BoxFuture<'static, Result<Vec<StoredDeadLetter>, StoreError>> {
        let core = Arc::clone(&self.0);
        self.0.background.ask(move || list(&core, &filter))
    }

    fn show(&self, id: DeadLetterId) -> BoxFuture<'static, Result<Option<StoredDeadLetter>, StoreError>> {
        let core = Arc::clone(&self.0);
        self.0.background.ask(move || show(&core, id))
    }
}

fn topics(core: &Core) -> Result<Vec<(TopicName, u32)>, StoreError> {
    let mut topics = core.topics.all()?;
    topics.retain(|(topic, _)| core.names.holds_dead_letters(topic));
    Ok(topics)
}

fn list(core: &Core, filter: &DeadLetterFilter) -> Result<Vec<StoredDeadLetter>, StoreError> {
    let wanted = |letter: &DeadLetter| {
        filter.processor.as_ref().is_none_or(|name| *name == letter.processor)
            && filter.namespace.as_ref().is_none_or(|name| name == letter.namespace.as_str())
            && filter.class.is_none_or(|class| class == letter.class)
    };
    let (mut found, mut unnumbered) = (Vec::new(), 0);
    for (topic, partitions) in topics(core)? {
        let mut from = Vec::new();
        for partition in 0..partitions {
            from.push((partition, core.topics.ends(&topic, partition)?.1.saturating_sub(LOOK_BACK)));
        }
        read_to_end(core, &topic, &from, &|| true, |message| {
            match stored(&topic, message) {
                Some(stored) if wanted(&stored.letter) => found.push(stored),
                Some(_) => {}
                None => unnumbered += usize::from(read_dead_letter(message).is_some()),
            }
            // Letters are whole events: no more of them are held than it takes to choose.
            if found.len() > filter.limit.saturating_mul(2).max(64) {
                newest(&mut found, filter.limit);
            }
        })?;
    }
    newest(&mut found, filter.limit);
    if unnumbered > 0 {
        log::warn!(
            "kafka: {unnumbered} dead letters are left out: their offset is above 2^32, or their partition above {}",
            (1 << PARTITION_BITS) - 1
        );
    }
    Ok(found)
}

fn newest(found: &mut Vec<StoredDeadLetter>, limit: usize) {
    found.sort_by_key(|stored| std::cmp::Reverse((stored.stored, stored.id)));
    found.truncate(limit);
}

fn show(core: &Core, id: DeadLetterId) -> Result<Option<StoredDeadLetter>, StoreError> {
    let Some(place) = Place::of(id) else { return Ok(None) };
    let mut found = Vec::new();
    for (topic, partitions) in topics(core)? {
        if place.topic != hash(&topic) || place.partition >= partitions {
            continue;
        }
        let offset = place.offset;
        let end = core.topics.ends(&topic, place.partition)?.1;
        if offset >= end {
            continue;
        }
        let passed = Cell::new(false);
        read_to_end(core, &topic, &[(place.partition, offset)], &|| !passed.get(), |message| {
            passed.set(true);
            if message.offset() == offset {
                found.extend(stored(&topic, message));
            }
        })?;
    }
    if found.len() > 1 {
        let topics: Vec<&str> = found.iter().map(|stored| stored.letter.record.topic.as_str()).collect();
        return Err(store_error(format!(
            "{} is the number of dead letters of {}",
            id.0,
            topics.join(" and ")
        )));
    }
    Ok(found.pop())
}

fn stored(topic: &TopicName, message: &BorrowedMessage<'_>) -> Option<StoredDeadLetter> {
    let partition = u32::try_from(message.partition()).ok()?;
    let place = Place { topic: hash(topic), partition, offset: message.offset() };
    let stored = Timestamp(message.timestamp().to_millis().unwrap_or(0));
    Some(StoredDeadLetter { id: place.id()?, stored, letter: read_dead_letter(message)? })
}

/// Where a dead letter lies, as its number has it: 32 bits of offset, 12 of partition and 19 of a hash of the topic's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    topic: u32,
    partition: u32,
    offset: i64,
}

const HASH_BITS: u32 = 19;
const PARTITION_BITS: u32 = 12;

impl Place {
    fn id(self) -> Option<DeadLetterId> {
        let fits = self.offset < 1 << 32 && self.partition < 1 << PARTITION_BITS;
        let place = (self.offset << PARTITION_BITS | i64::from(self.partition)) << HASH_BITS;
        fits.then_some(DeadLetterId(place | i64::from(self.topic)))
    }

    fn of(DeadLetterId(id): DeadLetterId) -> Option<Self> {
        let id = u64::try_from(id).ok()?;
        let low = |number: u64, bits: u32| u32::try_from(number & ((1 << bits) - 1)).ok();
        Some(Self {
            topic: low(id, HASH_BITS)?,
            partition: low(id >> HASH_BITS, PARTITION_BITS)?,
            offset: i64::try_from(id >> (HASH_BITS + PARTITION_BITS)).ok()?,
        })
    }
}

fn hash(topic: &TopicName) -> u32 {
    // FNV-1a: the same in every process and version.
    let hash =
        topic.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ hash >> HASH_BITS) & ((1 << HASH_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_the_place() {
        let topic = hash(&TopicName::new("paper.in.dlq"));
        for (partition, offset) in [(0, 0), (7, 12), (4095, (1 << 32) - 1)] {
            let place = Place { topic, partition, offset };
            assert_eq!(place.id().and_then(Place::of), Some(place));
        }
        assert_eq!(Place { topic, partition: 0, offset: 1 << 32 }.id(), None);
        assert_eq!(Place::of(DeadLetterId(-1)), None);
    }
}
