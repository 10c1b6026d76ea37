//! What a new owner of a partition finds: how far its group has come, its ledger, its state.

mod fence;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use pandaflow::{
    Epoch, Group, Offset, Partition, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{Applied, FailedAttempts, ParkedEvent, StoreError},
};
use rdkafka::{
    TopicPartitionList, topic_partition_list::Offset as Committed,
    topic_partition_list::TopicPartitionListElem,
};

use super::{
    changelog::Table,
    commit_note::{Tally, read_ranges},
    core::Core,
    failure::failed,
    in_database,
    log_span::{LogSpan, Reach},
    restore::restore,
    topics::number,
};

/// What was found of one partition.
pub(super) struct Found {
    pub(super) partition: Partition,
    /// How many partitions the group's topics have.
    pub(super) partitions: u32,
    pub(super) progress: Vec<(TopicName, Progress)>,
    /// Where the inputs' logs end, if they were looked at.
    pub(super) ends: Vec<Offset>,
    pub(super) ledger: Ledger,
    /// Of the owner that committed last.
    pub(super) epoch: Epoch,
    pub(super) table: Table,
    /// What has gone into a state and lies at or above the progress.
    pub(super) applied: Vec<Applied>,
    /// Events that have failed and not ended.
    pub(super) attempts: Vec<FailedAttempts>,
    pub(super) parked: Vec<ParkedEvent>,
    /// The new owner's epoch, where a database has made it or the dedup store knows it already.
    pub(super) granted: Option<Epoch>,
    /// Whether reading has to begin before what the group has committed.
    pub(super) rewind: bool,
}

impl Found {
    /// Moves what doesn't lie in the inputs' logs to where they begin, and says so: retention has passed it, or a topic was
    /// made anew.
    pub(super) fn hold_against_logs(&mut self, core: &Core, group: &Group) -> Result<(), StoreError> {
        let partition = self.partition;
        for place in 0..self.progress.len() {
            let (topic, progress) = self.progress[place].clone();
            let span = LogSpan::new(core.topics.ends(&topic, partition.0)?);
            self.ends.push(span.end);
            let next = progress.next;
            let (resumed, reach) = span.resume(progress);
            let gone_in = |applied: &Applied| applied.topic == topic && applied.last >= span.end;
            let lies_beyond =
                |event: &ParkedEvent| event.record.topic == topic && event.record.offset >= span.end;
            let another = reach == Reach::Beyond
                || self.table.knows_beyond(&topic, span.end)
                || self.applied.iter().any(gone_in)
                || self.parked.iter().any(lies_beyond);
            match reach {
                _ if another => {
                    log::error!(
                        "kafka: {group}: {topic}[{partition}] ends at {}, before what the group has read of it: the topic was \
                         made anew or cut off, and is read from {}",
                        span.end,
                        resumed.next
                    );
                    self.begin_log_anew(place, resumed.next);
                }
                Reach::Expired(gone) if next > Offset::ZERO => {
                    log::error!(
                        "kafka: {group}: {gone} events of {topic}[{partition}] from {next} to {} are gone before they were \
                         handled: the topic keeps its records for too short a time",
                        span.first
                    );
                    self.progress[place].1 = resumed;
                }
                Reach::Expired(_) | Reach::Within | Reach::Beyond => {}
            }
        }
        Ok(())
    }

    /// An input's log is another than the one that was read, and is read from this offset, or from what was settled, if that
    /// is less.
    pub(super) fn begin_log_anew(&mut self, input: usize, offset: Offset) {
        let Some((topic, known)) = self.progress.get_mut(input) else { return };
        if known.next > offset {
            *known = Progress::at(offset);
        }
        self.table.forget_log(topic);
        self.applied.retain(|applied| applied.topic != *topic);
        self.attempts.retain(|failed| failed.topic != *topic);
        self.parked.retain(|event| event.record.topic != *topic);
    }

    /// With all of the changelog taken in: what of it the progress has not passed.
    pub(super) fn sum_up(&mut self) {
        let Self { progress, table, .. } = self;
        for (topic, progress) in progress.iter_mut() {
            if let Some(ranges) = table.ranges.get(topic) {
                progress.above = joined(progress.next, &progress.above, ranges);
            }
        }
        let open = |topic: &TopicName, offset: Offset| {
            progress
                .iter()
                .find(|(known, _)| known == topic)
                .is_none_or(|(_, progress)| offset >= progress.next)
        };
        table.parked.found(self.epoch.0);
        table.let_go(|topic, offset| !open(topic, offset));
        self.parked = table.parked.events().cloned().collect();
        let attempts = table.attempts.iter().filter(|((topic, offset), _)| open(topic, *offset));
        self.attempts = attempts.map(|(_, failed)| failed.clone()).collect();
        let parked_keys: BTreeSet<Bytes> =
            self.parked.iter().map(|event| event.record.key.clone().unwrap_or_default()).collect();
        for (key, state) in &table.states {
            let is_parked = parked_keys.contains(key);
            for (topic, last) in state.applied.iter().filter(|(topic, last)| is_parked || open(topic, *last))
            {
                self.applied.push(Applied { key: key.clone(), topic: topic.clone(), last: *last });
            }
        }
    }
}

/// What is to be looked up.
#[derive(Clone)]
pub(super) struct Search {
    pub(super) group: Group,
    pub(super) partitions: Vec<Partition>,
    pub(super) topics: Vec<TopicName>,
    pub(super) purpose: Purpose,
    /// Whether the owners mark events as done, in a store that is not part of their settlements' transactions.
    pub(super) marks: bool,
    /// Whether anybody still waits for a partition; asked before it is fenced and while the changelog is read.
    pub(super) wanted: Arc<dyn Fn(Partition) -> bool + Send + Sync>,
}

/// What partitions are looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To read the topics: what is found is held against their logs.
    Reading,
    /// To settle alone, as publishers do.
    Settling,
}

impl Search {
    /// Whether anybody still waits for any of it.
    pub(super) fn is_wanted(&self) -> bool {
        self.partitions.iter().any(|partition| (self.wanted)(*partition))
    }

    /// The partition with the highest number, and one more.
    pub(super) fn most(&self) -> u32 {
        self.partitions.iter().map(|partition| partition.0 + 1).max().unwrap_or(0)
    }
}

/// Looks partitions of a group up, where their settlements are made; `committed` asks for what the group has committed.
pub(super) async fn look_up<C>(
    core: &Arc<Core>,
    committed: C,
    search: Search,
) -> Result<Vec<Found>, StoreError>
where
    C: FnOnce(TopicPartitionList) -> Result<TopicPartitionList, StoreError> + Send + 'static,
{
    if let Some(database) = &core.config.settle_in {
        return in_database::find(core, database, committed, search).await;
    }
    let search = Arc::new(search);
    let (asking, asked) = (Arc::clone(core), Arc::clone(&search));
    let mut found = core.background.ask(move || look(&asking, committed, &asked)).await?;
    if search.marks {
        fence::earlier_owners(core, &search, &mut found).await?;
    }
    let (asking, asked) = (Arc::clone(core), Arc::clone(&search));
    let found = core.background.ask(move || with_state(&asking, &asked, found)).await?;
    fence::held(core, &search.group, &found)?;
    Ok(found)
}

/// Ranges of one list or the other, as far as they lie above `next`.
fn joined(next: Offset, one: &[(Offset, Offset)], other: &[(Offset, Offset)]) -> Vec<(Offset, Offset)> {
    let above = one.iter().chain(other).filter(|(_, last)| *last > next);
    let mut ranges: Vec<_> = above.map(|(first, last)| (*first.max(&next.next()), *last)).collect();
    ranges.sort_unstable();
    let mut joined: Vec<(Offset, Offset)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(range) if first <= range.1.next() => range.1 = range.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// Adds to what was found what is in the changelog. Blocks.
fn with_state(core: &Core, search: &Search, mut all: Vec<Found>) -> Result<Vec<Found>, StoreError> {
    let mut tables = restore(core, search)?;
    for found in &mut all {
        found.table = tables.remove(&found.partition).unwrap_or_default();
        if search.purpose == Purpose::Reading {
            // After the changelog was read: what has gone into a state by then was in the log before.
            found.hold_against_logs(core, &search.group)?;
        }
        found.sum_up();
    }
    Ok(all)
}

/// What the group has committed of these partitions, without its state. Blocks.
pub(super) fn look(
    core: &Core,
    committed: impl FnOnce(TopicPartitionList) -> Result<TopicPartitionList, StoreError>,
    search: &Search,
) -> Result<Vec<Found>, StoreError> {
    let Search { group, partitions, topics, .. } = search;
    let changelog = core.names.changelog(group);
    let kept = core.topics.partitions_for(&changelog, search.most())?.unwrap_or(0);
    let width = match topics.first() {
        Some(topic) => core.topics.partitions_for(topic, search.most())?.unwrap_or(0),
        None => 0,
    };
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        for topic in topics {
            list.add_partition(&core.names.topic(topic), number(partition.0));
        }
        if partition.0 < kept {
            list.add_partition(&core.names.topic(&changelog), number(partition.0));
        }
    }
    let list = if list.count() == 0 { list } else { committed(list)? };
    let mut found = Vec::new();
    for partition in partitions {
        let mut progress = Vec::new();
        for topic in topics {
            progress.push((topic.clone(), progress_of(core, &list, topic, *partition)?));
        }
        let name = core.names.topic(&changelog);
        let tally =
            list.find_partition(&name, number(partition.0)).and_then(|element| Tally::read(&note(&element)));
        let (epoch, ledger) =
            tally.map_or((Epoch(0), Ledger::default()), |tally| (tally.epoch, tally.ledger));
        found.push(Found {
            partition: *partition,
            partitions: width,
            progress,
            ends: Vec::new(),
            ledger,
            epoch,
            table: Table::default(),
            applied: Vec::new(),
            attempts: Vec::new(),
            parked: Vec::new(),
            granted: None,
            rewind: false,
        });
    }
    Ok(found)
}

fn progress_of(
    core: &Core,
    list: &TopicPartitionList,
    topic: &TopicName,
    partition: Partition,
) -> Result<Progress, StoreError> {
    let Some(element) = list.find_partition(&core.names.topic(topic), number(partition.0)) else {
        return Ok(Progress::default());
    };
    element.error().map_err(failed("reading a committed offset"))?;
    let next = committed_offset(&element).unwrap_or(Offset::ZERO);
    Ok(Progress { next, above: read_ranges(next, &note(&element)) })
}

/// What was committed, if anything was.
pub(super) fn committed_offset(element: &TopicPartitionListElem<'_>) -> Option<Offset> {
    match element.offset() {
        Committed::Offset(offset) => u64::try_from(offset).ok().map(Offset),
        _ => None,
    }
}

/// What stands beside a committed offset; nothing if it is no text.
pub(super) fn note(element: &TopicPartitionListElem<'_>) -> String {
    catch_unwind(AssertUnwindSafe(|| element.metadata().to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn joined_ranges_hold_what_either_held_above_and_are_a_progress(
            next in 0_u64..50,
            one in vec((0_u64..60, 0_u64..6), 0..10),
            other in vec((0_u64..60, 0_u64..6), 0..10),
        ) {
            let ranges = |list: &[(u64, u64)]| -> Vec<_> {
                list.iter().map(|(first, more)| (Offset(*first), Offset(first + more))).collect()
            };
            let (one, other) = (ranges(&one), ranges(&other));
            let joined = joined(Offset(next), &one, &other);
            let holds = |list: &[(Offset, Offset)], offset| {
                list.iter().any(|(first, last)| *first <= offset && offset <= *last)
            };
            for offset in (0..80).map(Offset) {
                let held = offset.0 > next && (holds(&one, offset) || holds(&other, offset));
                prop_assert_eq!(holds(&joined, offset), held);
            }
            let text = Progress { next: Offset(next), above: joined }.to_string();
            prop_assert!(text.parse::<Progress>().is_ok(), "{}", text);
        }
    }
}
