//! How far groups are behind, and what they have settled, as the broker has it.

use std::collections::BTreeMap;

use pandaflow::{
    Group, Offset, Partition, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{Lag, StoreError},
};
use rdkafka::TopicPartitionList;

use super::{
    acquire::{committed_offset, note},
    commit_note::{Tally, read_ranges},
    core::Core,
    gaps::Behind,
    log_span::LogSpan,
    topics::number,
};

/// Offsets that groups have come to, where that is known better than by what they have committed.
pub(super) type Next = BTreeMap<(Group, TopicName, Partition), Offset>;

/// The lag of each group in every partition that it has settled, and in those that it reads in this process. Blocks.
pub(super) fn lag(core: &Core, groups: &[Group], known: &Next) -> Result<Vec<Lag>, StoreError> {
    let mut all = None;
    let mut spans: BTreeMap<_, LogSpan> = BTreeMap::new();
    let mut behind = Vec::new();
    for group in groups {
        let mut list = TopicPartitionList::new();
        let reads = core.owners.known_reads(group);
        for (topic, partition) in &reads {
            list.add_partition(&core.names.topic(topic), number(partition.0));
        }
        if reads.is_empty() {
            // What another process reads shows in what it has committed.
            let all = match &mut all {
                Some(all) => all,
                none => none.insert(core.topics.all()?),
            };
            for (topic, partitions) in all {
                list.add_partition_range(&core.names.topic(topic), 0, number(partitions.saturating_sub(1)));
            }
        }
        if list.count() == 0 {
            continue;
        }
        let list = core.outsider(group)?.committed(list)?;
        let changelog = core.names.changelog(group);
        for element in list.elements() {
            let Some(topic) = core.names.read(element.topic()).filter(|topic| *topic != changelog) else {
                continue;
            };
            let partition = Partition(u32::try_from(element.partition()).unwrap_or(0));
            let place = (topic, partition);
            let settled = known.get(&(group.clone(), place.0.clone(), place.1)).copied();
            let committed = settled.or_else(|| committed_offset(&element));
            if committed.is_none() && !reads.contains(&place) {
                continue;
            }
            let span = match spans.get(&place) {
                Some(span) => *span,
                None => {
                    let span = LogSpan::new(core.topics.ends(&place.0, partition.0)?);
                    *spans.entry(place.clone()).or_insert(span)
                }
            };
            let settled = match committed {
                // Nothing was ever written there: it is how far a publisher has come in what it reads elsewhere.
                Some(next) if span.end == Offset::ZERO => Progress::at(next),
                Some(next) => span.resume(Progress { next, above: read_ranges(next, &note(&element)) }).0,
                // Who has committed nothing begins with the first record that is still there.
                None => Progress::at(span.first),
            };
            let lag =
                Lag { group: group.clone(), topic: place.0, partition, next: settled.next, end: span.end };
            behind.push(Behind { lag, settled });
        }
    }
    core.gaps.pass_over(core, behind)
}

/// What each group has settled, over all partitions. Blocks.
pub(super) fn ledgers(core: &Core, groups: Vec<Group>) -> Result<Vec<(Group, Ledger)>, StoreError> {
    let mut told = Vec::with_capacity(groups.len());
    for group in groups {
        let changelog = core.names.changelog(&group);
        let partitions = core.topics.partitions(&changelog)?.unwrap_or(0);
        let mut sum = Ledger::default();
        if partitions > 0 {
            let mut list = TopicPartitionList::new();
            let name = core.names.topic(&changelog);
            list.add_partition_range(&name, 0, number(partitions - 1));
            for element in core.outsider(&group)?.committed(list)?.elements() {
                if let Some(tally) = Tally::read(&note(&element)) {
                    sum = sum.plus(&tally.ledger);
                }
            }
        }
        told.push((group, sum));
    }
    Ok(told)
}
