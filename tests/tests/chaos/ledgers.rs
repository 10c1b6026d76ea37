//! Every event is counted once, and settled by one owner.

use std::collections::{BTreeMap, BTreeSet};

use pandaflow_tests::BrokerLog;
use serde_json::Value;

use super::pipeline::{GROUPS, PREFIX};

/// Each processor has consumed every record of its inputs once, and each of them has ended.
pub(crate) fn balance(log: &BrokerLog, told: &Value) {
    for (group, row) in GROUPS.iter().zip(told["ledger"].as_array().unwrap()) {
        assert_eq!(row["processor"], group.processor);
        let number = |field: &str| row[field].as_u64().unwrap();
        let kinds = ["succeeded", "filtered", "duplicate", "dead_lettered", "parked"].map(number);
        assert_eq!((number("in_flight"), number("consumed")), (0, kinds.iter().sum()), "{row}");
        let mut records = 0;
        group.inputs().iter().for_each(|topic| log.each(topic, |_| records += 1));
        assert_eq!(number("consumed"), records, "{row}");
        assert_eq!((number("dead_lettered"), number("parked")), (0, 0), "{row}");
    }
}

/// Records of the inputs that no processor has consumed, by the ledgers.
pub(crate) fn behind(log: &BrokerLog, told: &Value) -> i64 {
    let mut behind = 0;
    for (group, row) in GROUPS.iter().zip(told["ledger"].as_array().unwrap()) {
        group.inputs().iter().for_each(|topic| log.each(topic, |_| behind += 1));
        behind -= row["consumed"].as_i64().unwrap();
    }
    behind
}

type Place = (String, i32);

/// Offsets, owners' epochs and ledgers as they were committed, one after the other: none ever went back, so that every
/// event was settled by one owner.
pub(crate) fn commits_never_go_back(log: &BrokerLog) {
    let mut next: BTreeMap<(String, Place), i64> = BTreeMap::new();
    let mut tallies: BTreeMap<(String, Place), (u64, u64)> = BTreeMap::new();
    let commits = log.commits(PREFIX);
    for commit in &commits {
        let whose = (commit.group.clone(), (commit.topic.clone(), commit.partition));
        let next = next.entry(whose.clone()).or_default();
        assert!(*next <= commit.next, "{commit:?} goes back from {next}");
        *next = commit.next;
        if let Some(tally) = commit.tally {
            assert!(tally.ended <= tally.consumed, "{commit:?}");
            let before = tallies.entry(whose).or_default();
            assert!(
                before.0 <= tally.epoch && before.1 <= tally.consumed,
                "{commit:?} goes back from {before:?}"
            );
            *before = (tally.epoch, tally.consumed);
        }
    }
    for group in &GROUPS {
        let of = |whose: &String| *whose == group.name();
        let consumed: u64 =
            tallies.iter().filter(|((whose, _), _)| of(whose)).map(|(_, tally)| tally.1).sum();
        // The ends of transactions take offsets, too.
        let mut settled = 0;
        for topic in group.inputs() {
            log.each(&topic, |record| {
                let place = (group.name(), (topic.clone(), record.partition));
                settled += u64::from(next.get(&place).is_some_and(|next| record.offset < *next));
            });
        }
        assert!(consumed > 0, "{}: there is no commit that can be read", group.processor);
        assert_eq!(consumed, settled, "{}: each event counted once", group.processor);
    }
    let owners: BTreeSet<_> =
        commits.iter().filter_map(|commit| commit.tally).map(|tally| tally.epoch).collect();
    println!("{} commits of {} owners, none of which went back", commits.len(), owners.len());
}
