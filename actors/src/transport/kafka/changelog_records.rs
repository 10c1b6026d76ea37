//! What settlements change in an owner's state, counts of attempts and parked events, as records of its changelog.

use std::sync::Arc;

use hashbrown::HashMap;
use pandaflow::{
    Clock, SystemClock,
    ports::{AttemptChange, Settlement},
};
use rdkafka::message::{Header, OwnedHeaders};

use super::{
    changelog::{self, APPLIED, Entry, State},
    owners::Life,
    parked::parked_records,
    record::Outbound,
};

/// The records, one for each key at most, and what they mean.
pub(super) fn changelog_records(
    topic: &Arc<str>,
    life: &Life,
    settlements: &[&Settlement],
) -> (Vec<Outbound>, Vec<Entry>) {
    let now = SystemClock.now().0;
    let record = |key, value| Outbound {
        topic: Arc::clone(topic),
        partition: life.owner.partition,
        timestamp: now,
        key: Some(key),
        value,
        headers: None,
    };
    let (mut records, mut entries) = (Vec::new(), Vec::new());
    let mut states: HashMap<_, State> = HashMap::new();
    {
        let table = life.table();
        for change in settlements.iter().flat_map(|settlement| &settlement.states) {
            let mut applied = table.applied_with(change);
            if let Some(earlier) = states.get(&change.key) {
                // An earlier settlement of the same lot has changed this key as well.
                for (topic, offset) in &earlier.applied {
                    match applied.iter_mut().find(|(known, _)| known == topic) {
                        Some((_, last)) => *last = *offset.max(last),
                        None => applied.push((topic.clone(), *offset)),
                    }
                }
            }
            let state = State { value: change.value.clone(), epoch: life.owner.epoch.0, applied };
            states.insert(change.key.clone(), state);
        }
    }
    for (key, state) in states {
        records.push(state_record(topic, life, &key, &state));
        entries.push(Entry::State(key, state));
    }
    for change in settlements.iter().flat_map(|settlement| &settlement.attempts) {
        let (event, failed) = match change {
            AttemptChange::Failed(failed) => ((failed.topic.clone(), failed.offset), Some(failed.clone())),
            AttemptChange::Ended { topic, offset } => ((topic.clone(), *offset), None),
        };
        let value = failed.as_ref().map(changelog::attempts_value);
        records.push(record(changelog::attempts_key(&event.0, event.1), value));
        entries.push(Entry::Attempts(event, failed));
    }
    let (parked, meaning) = parked_records(topic, life, settlements);
    records.extend(parked);
    entries.extend(meaning);
    (records, entries)
}

/// States that a late record of an earlier owner has covered up in the log, as this owner's records; and the removal of ranges
/// of logs that are no more.
pub(super) fn covered_states(topic: &Arc<str>, life: &Life) -> (Vec<Outbound>, Vec<Entry>) {
    let mut table = life.table();
    let covered = std::mem::take(&mut table.overwritten);
    let states = covered.into_iter().filter_map(|key| {
        let mut state = table.states.get(&key)?.clone();
        state.epoch = life.owner.epoch.0;
        Some((state_record(topic, life, &key, &state), Entry::State(key, state)))
    });
    let (mut records, mut entries): (Vec<_>, Vec<_>) = states.unzip();
    for outdated in std::mem::take(&mut table.outdated) {
        records.push(Outbound {
            topic: Arc::clone(topic),
            partition: life.owner.partition,
            timestamp: SystemClock.now().0,
            key: Some(changelog::ranges_key(&outdated)),
            value: None,
            headers: None,
        });
        entries.push(Entry::Ranges(outdated, Vec::new()));
    }
    (records, entries)
}

fn state_record(topic: &Arc<str>, life: &Life, key: &[u8], state: &State) -> Outbound {
    let applied = changelog::applied_header(life.owner.epoch, &state.applied);
    let headers = OwnedHeaders::new().insert(Header { key: APPLIED, value: Some(&applied[..]) });
    Outbound {
        topic: Arc::clone(topic),
        partition: life.owner.partition,
        timestamp: SystemClock.now().0,
        key: Some(changelog::state_key(key)),
        value: state.value.clone(),
        headers: Some(headers),
    }
}
