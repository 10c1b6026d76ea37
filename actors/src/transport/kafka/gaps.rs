//! Where offsets have no records: the ends of transactions take offsets, and so do records that were aborted or thrown away.
//! A group that has settled the last record stands before them, and is not behind.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use pandaflow::{
    Offset, Partition, TopicName,
    policy::watermark::Progress,
    ports::{Lag, StoreError},
};
use rdkafka::{
    Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    topic_partition_list::Offset as At,
};

use super::{core::Core, failure::failed, quiet::Quiet, topics::number};

/// Whoever is further behind than that is behind, unless it does not move: looking takes some milliseconds.
const SURELY: u64 = 64;

/// A partition of a topic.
type Place = (TopicName, Partition);

/// A partition without records from the first of these offsets up to the second.
type Empty = (Place, (Offset, Offset));

const LOOKING: &str = "looking for records";

/// What is known of gaps.
#[derive(Default)]
pub(super) struct Gaps {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// Where no record lies: from the first of these offsets up to the second, which is no part of it.
    empty: HashMap<Place, (Offset, Offset)>,
    /// Where groups stood when they were asked last.
    stood: HashMap<(pandaflow::Group, TopicName, Partition), Offset>,
}

/// The lag of a group in one partition, as offsets tell it, and what it has settled above.
pub(super) struct Behind {
    pub(super) lag: Lag,
    pub(super) settled: Progress,
}

impl Gaps {
    /// Passes over what is no record, or settled already, where a group stands. Blocks.
    pub(super) fn pass_over(&self, core: &Core, behind: Vec<Behind>) -> Result<Vec<Lag>, StoreError> {
        let (mut lags, mut doubtful) = (Vec::new(), Vec::new());
        for mut behind in behind {
            match self.known(&behind.lag) {
                Known::Behind => lags.push(behind.lag),
                Known::Empty => {
                    behind.lag.next = behind.lag.end;
                    lags.push(behind.lag);
                }
                Known::Nothing => doubtful.push(behind),
            }
        }
        // A client that reaches the end of a partition doesn't say of which topic, so each topic is looked at alone; and groups
        // of one topic one after the other, each from where it stands.
        while let Some(topic) = doubtful.first().map(|behind| behind.lag.topic.clone()) {
            let mut taken = HashSet::new();
            let (mut now, later): (Vec<_>, Vec<_>) = doubtful
                .into_iter()
                .partition(|behind| behind.lag.topic == topic && taken.insert(behind.lag.partition));
            for empty in look(core, &topic, &mut now)? {
                self.remember(empty);
            }
            lags.extend(now.into_iter().map(|behind| behind.lag));
            doubtful = later;
        }
        Ok(lags)
    }

    fn known(&self, lag: &Lag) -> Known {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (lag.group.clone(), lag.topic.clone(), lag.partition);
        let stood = inside.stood.insert(place, lag.next);
        if lag.records() == 0 || (lag.records() > SURELY && stood != Some(lag.next)) {
            return Known::Behind;
        }
        match inside.empty.get(&(lag.topic.clone(), lag.partition)) {
            Some((first, end)) if *first <= lag.next && lag.end <= *end => Known::Empty,
            _ => Known::Nothing,
        }
    }

    fn remember(&self, (place, empty): Empty) {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).empty.insert(place, empty);
    }
}

enum Known {
    /// It is behind, or not at all.
    Behind,
    /// No record lies before the end.
    Empty,
    Nothing,
}

/// A client that reads a topic, and whose lag in which of its partitions it looks at.
type Looking = (BaseConsumer<Quiet>, HashMap<i32, usize>);

/// Begins to read where each stands; nothing where transactions are open, behind which nobody sees anything.
fn begin(core: &Core, topic: &TopicName, behind: &[Behind]) -> Result<Option<Looking>, StoreError> {
    let (mut left, mut list) = (HashMap::new(), TopicPartitionList::new());
    for (place, Behind { lag, .. }) in behind.iter().enumerate() {
        let readable = core.topics.readable_end(topic, lag.partition.0)?;
        if readable >= i64::try_from(lag.end.0).unwrap_or(i64::MAX) {
            let at = At::Offset(i64::try_from(lag.next.0).unwrap_or(i64::MAX));
            let name = core.names.topic(topic);
            list.add_partition_offset(&name, number(lag.partition.0), at).map_err(failed(LOOKING))?;
            left.insert(number(lag.partition.0), place);
        }
    }
    if left.is_empty() {
        return Ok(None);
    }
    let consumer: BaseConsumer<Quiet> =
        core.config.glancing().create_with_context(Quiet::default()).map_err(failed(LOOKING))?;
    consumer.assign(&list).map_err(failed(LOOKING))?;
    Ok(Some((consumer, left)))
}

/// Looks from where each stands in a topic for the first record that is not settled, and moves it there; to the end if there
/// is none. Where it found no record at all.
fn look(core: &Core, topic: &TopicName, behind: &mut [Behind]) -> Result<Vec<Empty>, StoreError> {
    let mut empty = Vec::new();
    let Some((consumer, mut left)) = begin(core, topic, behind)? else { return Ok(empty) };
    let deadline = Instant::now() + core.config.request_timeout;
    // What is not told by then is left as it is: behind.
    while !left.is_empty() && Instant::now() < deadline {
        match consumer.poll(Duration::from_millis(20)) {
            Some(Ok(message)) => {
                let Some(place) = left.get(&message.partition()) else { continue };
                let Behind { lag, settled } = &mut behind[*place];
                let offset = Offset(u64::try_from(message.offset()).unwrap_or(0));
                if !settled.is_settled(offset) {
                    // What came later is none of it.
                    lag.next = offset.min(lag.end);
                    left.remove(&message.partition());
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                let Some(place) = left.remove(&partition) else { continue };
                let Behind { lag, settled } = &mut behind[place];
                if settled.above.is_empty() {
                    empty.push(((topic.clone(), lag.partition), (lag.next, lag.end)));
                }
                lag.next = lag.end;
            }
            Some(Err(error)) => log::debug!("kafka: {LOOKING}: {error}"),
            None => {}
        }
    }
    Ok(empty)
}
