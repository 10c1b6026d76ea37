//! What settlements come to on the broker: records of their outputs, dead letters and changes of state, and the offsets that they
//! stand for.

use std::sync::Arc;

use pandaflow::{
    Outgoing, TopicName, partition_of,
    ports::{Owner, Settlement, StateChange, StoreError},
};

use super::retry;
use crate::transport::kafka::{
    changelog,
    changelog_records::changelog_records,
    commit_note::{Tally, write_ranges},
    core::Core,
    dead_letter_record::dead_letter_record,
    desk::Entry,
    failure::store_error,
    owners::Life,
    parked::ended_records,
    record::{Outbound, unwritable_header, written_headers, written_timestamp},
    sending::Why,
    topics::{missing, number},
};

/// Bytes of a record beside key, value and headers, at most.
const OVERHEAD: usize = 1024;

/// Whether a change of state can be written at all.
pub(in crate::transport::kafka) fn check_state(core: &Core, change: &StateChange) -> Result<(), StoreError> {
    let topics: usize = change.applied.iter().map(|(topic, _)| topic.len() + 16).sum();
    let size = change.key.len() + change.value.as_ref().map_or(0, bytes::Bytes::len) + topics + OVERHEAD;
    let limit = core.config.record_limit();
    if size > limit {
        return Err(store_error(format!("a state of {size} bytes is over the limit of {limit}")));
    }
    Ok(())
}

/// Whether an output can be written at all.
pub(in crate::transport::kafka) fn check(core: &Core, output: &Outgoing) -> Result<(), StoreError> {
    let size = output.key.as_ref().map_or(0, bytes::Bytes::len)
        + output.value.as_ref().map_or(0, bytes::Bytes::len)
        + output.headers.size()
        + OVERHEAD;
    let limit = core.config.record_limit();
    if size > limit {
        let message = format!("a record of {size} bytes for {} is over the limit of {limit}", output.topic);
        return Err(store_error(message));
    }
    match unwritable_header(&output.headers) {
        None => Ok(()),
        Some(name) => Err(store_error(format!(
            "a record for {} has a header whose name is not UTF-8 without zeros: {name:?}",
            output.topic
        ))),
    }
}

/// Makes the topics of dead letters that are not there.
pub(super) async fn make_letter_topics(
    core: &Arc<Core>,
    life: &Life,
    settlements: &[&Settlement],
) -> Result<(), Why> {
    let letters: Vec<_> = settlements.iter().flat_map(|settlement| &settlement.dead_letters).collect();
    for letter in &letters {
        let topic = core.names.dead_letters(&letter.record.topic);
        if core.topics.known(&topic).is_none() {
            let partitions = life.partitions.max(letter.record.partition.0 + 1);
            let wanted = core.dead_letter_topic(&letter.record.topic, partitions);
            core.make_topics(vec![wanted]).await.map_err(retry)?;
        }
    }
    Ok(())
}

/// Outputs and dead letters as records, whose topics are there.
pub(super) fn effects(core: &Core, settlements: &[&Settlement]) -> Result<Vec<Outbound>, StoreError> {
    let outputs = settlements.iter().flat_map(|settlement| &settlement.outputs);
    let mut place: Option<(&TopicName, Place)> = None;
    let mut records = Vec::with_capacity(outputs.clone().count());
    for output in outputs {
        let place = match &place {
            Some((topic, place)) if **topic == output.topic => place,
            _ => &place.insert((&output.topic, Place::of(core, &output.topic)?)).1,
        };
        records.push(place.outbound(output));
    }
    let letters = settlements.iter().flat_map(|settlement| &settlement.dead_letters);
    records.extend(letters.map(|letter| dead_letter_record(core, letter)));
    Ok(records)
}

pub(in crate::transport::kafka) fn outbound(core: &Core, output: &Outgoing) -> Result<Outbound, StoreError> {
    Ok(Place::of(core, &output.topic)?.outbound(output))
}

/// Where the records of a topic go.
struct Place {
    /// The topic's name on the broker.
    name: Arc<str>,
    partitions: u32,
}

impl Place {
    fn of(core: &Core, topic: &TopicName) -> Result<Self, StoreError> {
        let partitions = core.topics.known(topic).ok_or_else(|| missing(topic))?;
        Ok(Self { name: core.names.topic(topic).into(), partitions })
    }

    fn outbound(&self, output: &Outgoing) -> Outbound {
        // All of them can be written: it was checked.
        let (timestamp, headers) = written_timestamp(output.timestamp, written_headers(&output.headers));
        Outbound {
            topic: Arc::clone(&self.name),
            partition: partition_of(output.key.as_deref(), self.partitions),
            timestamp,
            key: output.key.clone(),
            value: output.value.clone(),
            headers,
        }
    }
}

/// State, counts of attempts and what is parked as records of the changelog, and what they mean.
pub(super) async fn changes(
    core: &Arc<Core>,
    life: &Life,
    settlements: &[&Settlement],
) -> Result<(Vec<Outbound>, Vec<changelog::Entry>), Why> {
    let changes_nothing = |settlement: &&Settlement| {
        settlement.states.is_empty() && settlement.attempts.is_empty() && settlement.parking.is_empty()
    };
    if settlements.iter().all(changes_nothing) && !life.table().parked.is_to_adopt() {
        return Ok(Default::default());
    }
    let owner = &life.owner;
    let topic = core.changelog_for(&owner.group, owner.partition.0, life.partitions).await.map_err(retry)?;
    Ok(changelog_records(&core.names.topic(&topic).into(), life, settlements))
}

/// The ends of events that were parked, in the same way: the changelog is there, as they were parked in it.
pub(super) fn ends(
    core: &Core,
    life: &Life,
    settlements: &[&Settlement],
) -> (Vec<Outbound>, Vec<changelog::Entry>) {
    if settlements.iter().all(|settlement| settlement.parking.is_empty()) {
        return Default::default();
    }
    ended_records(&core.names.topic(&core.names.changelog(&life.owner.group)).into(), life, settlements)
}

/// How far the owner has come by the last of the settlements: its offsets, and behind them its tally, where there is
/// something to tell or `always`.
pub(super) async fn offsets(
    core: &Arc<Core>,
    life: &Life,
    settlements: &[&Settlement],
    always: bool,
    write: impl FnOnce(Tally) -> String,
) -> Result<Vec<Entry>, Why> {
    let Some(last) = settlements.last() else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    add_progress(core, &life.owner, settlements, &mut entries);
    if always || last.ledger.consumed > 0 || !entries.is_empty() {
        let owner = &life.owner;
        let topic =
            core.changelog_for(&owner.group, owner.partition.0, life.partitions).await.map_err(retry)?;
        let note = write(Tally { epoch: owner.epoch, ledger: last.ledger });
        let partition = number(owner.partition.0);
        entries.push(Entry { topic: core.names.topic(&topic), partition, offset: 0, note });
    }
    Ok(entries)
}

/// Adds how far an owner has come in each input by the last of its settlements, in place of what was said before.
pub(in crate::transport::kafka) fn add_progress(
    core: &Core,
    owner: &Owner,
    settlements: &[&Settlement],
    entries: &mut Vec<Entry>,
) {
    let partition = number(owner.partition.0);
    for (topic, progress) in settlements.iter().flat_map(|settlement| &settlement.progress) {
        let topic = core.names.topic(topic);
        let offset = i64::try_from(progress.next.0).unwrap_or(i64::MAX);
        let note = write_ranges(progress.next, &progress.above);
        entries.retain(|known| known.topic != topic);
        entries.push(Entry { topic, partition, offset, note });
    }
}
