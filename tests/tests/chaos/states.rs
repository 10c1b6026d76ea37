//! No event goes into a state once it was settled by another owner.

use std::collections::{BTreeMap, BTreeSet};

use pandaflow_tests::{BrokerLog, Commit, StateRecord};

use super::pipeline::{GROUPS, PREFIX};

/// How far owners had come before the one of an epoch.
struct Settled {
    /// Of one partition, by epoch: offsets that were committed when an owner of it last committed.
    by_epoch: BTreeMap<i32, BTreeMap<u64, BTreeMap<String, i64>>>,
}

impl Settled {
    fn of(commits: &[Commit], group: &str) -> Self {
        let mut next: BTreeMap<i32, BTreeMap<String, i64>> = BTreeMap::new();
        let mut by_epoch: BTreeMap<i32, BTreeMap<u64, BTreeMap<String, i64>>> = BTreeMap::new();
        for commit in commits.iter().filter(|commit| commit.group == group) {
            let here = next.entry(commit.partition).or_default();
            match commit.tally {
                Some(tally) => {
                    by_epoch.entry(commit.partition).or_default().insert(tally.epoch, here.clone());
                }
                None => drop(here.insert(commit.topic.clone(), commit.next)),
            }
        }
        Self { by_epoch }
    }

    /// The first offset of a topic that none before this owner had settled.
    fn before(&self, partition: i32, epoch: u64, topic: &str) -> i64 {
        let earlier = self.by_epoch.get(&partition).and_then(|owners| owners.range(..epoch).next_back());
        earlier.and_then(|(_, next)| next.get(topic)).copied().unwrap_or(0)
    }
}

/// The states of a key, as they were written one after the other.
#[derive(Default)]
struct History {
    newest: u64,
    /// What had gone in last, by the epoch of the owner that wrote so.
    own: BTreeMap<u64, Applied>,
    all: BTreeSet<Applied>,
}

type Applied = Vec<(String, u64)>;

/// What an owner has settled goes into no state under a later owner: each begins where the one before has committed, and
/// goes on from there. A state that is written again as it was, because an owner that stood still has covered it up, has no
/// new event in it.
pub(crate) fn settled_events_go_into_no_later_owners_state(log: &BrokerLog) {
    let commits = log.commits(PREFIX);
    let (mut records, mut late) = (0, 0);
    for group in &GROUPS {
        let settled = Settled::of(&commits, &group.name());
        let mut keys: BTreeMap<(i32, Vec<u8>), History> = BTreeMap::new();
        log.each(&group.changelog(), |record| {
            let Some(state) = StateRecord::read(&record) else { return };
            let place = format!("{}[{}]@{}", group.changelog(), record.partition, record.offset);
            let history = keys.entry((record.partition, state.key.clone())).or_default();
            if let Some(own) = history.own.get(&state.epoch) {
                let offset =
                    |topic| state.applied.iter().find(|(known, _)| known == topic).map(|(_, offset)| *offset);
                let goes_on = own.iter().all(|(topic, before)| offset(topic) >= Some(*before));
                assert!(goes_on, "{place}: {state:?} goes back from {own:?}");
            } else if !history.all.contains(&state.applied) {
                let is_new = |(topic, offset): &(String, u64)| {
                    let next = settled.before(record.partition, state.epoch, &format!("{PREFIX}{topic}"));
                    i64::try_from(*offset).unwrap() >= next
                };
                assert!(state.applied.iter().any(is_new), "{place}: all of {state:?} was settled before");
            }
            records += 1;
            late += u64::from(state.epoch < history.newest);
            history.newest = history.newest.max(state.epoch);
            history.own.insert(state.epoch, state.applied.clone());
            history.all.insert(state.applied);
        });
    }
    println!("{records} states, {late} of them written by an owner after a later one had written");
}
