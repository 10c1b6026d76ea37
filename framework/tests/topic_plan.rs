//! The topic plan against what it promises: carried out, it ends; nothing is lost by it; no key moves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::Duration};

use pandaflow::{
    TopicName,
    policy::topic_plan::{Change, Cleanup, FoundTopic, Purpose, RefusalReason, TopicPlan, WantedTopic},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

const HOUR: Duration = Duration::from_secs(3600);

fn name() -> impl Strategy<Value = TopicName> {
    select(vec!["a", "b", "c", "d", "e"]).prop_map(TopicName::new)
}

fn hours() -> impl Strategy<Value = Option<Duration>> {
    option::of((1..5_u32).prop_map(|hours| HOUR * hours))
}

fn wanted() -> impl Strategy<Value = Vec<WantedTopic>> {
    let purpose = select(vec![Purpose::Events, Purpose::Table, Purpose::DeadLetters, Purpose::Changelog]);
    let one = (name(), purpose, 1..5_u32, hours()).prop_map(|(name, purpose, partitions, retention)| {
        WantedTopic { name, purpose, partitions, retention }
    });
    vec(one, 0..6).prop_map(|all| by_name(all, |one| &one.name))
}

fn found() -> impl Strategy<Value = Vec<FoundTopic>> {
    let cleanup = select(vec![Cleanup::Delete, Cleanup::Compact, Cleanup::CompactAndDelete]);
    let lag = (0..5_u32).prop_map(|hours| HOUR * hours);
    let max = select(vec![1, 2 * WantedTopic::MAX_RECORD]);
    let one = (name(), 1..5_u32, cleanup, hours(), option::of(1..9_u64), lag, max).prop_map(
        |(name, partitions, cleanup, retention, retention_bytes, compaction_lag, max_record)| FoundTopic {
            name,
            partitions,
            cleanup,
            retention,
            retention_bytes,
            compaction_lag,
            max_record,
        },
    );
    vec(one, 0..6).prop_map(|all| by_name(all, |one| &one.name))
}

/// Each name once.
fn by_name<T: Clone>(all: Vec<T>, name: impl Fn(&T) -> &TopicName) -> Vec<T> {
    let map: BTreeMap<TopicName, T> = all.into_iter().map(|one| (name(&one).clone(), one)).collect();
    map.into_values().collect()
}

/// What a broker has once it has done what it was asked.
fn after(plan: &TopicPlan, mut found: Vec<FoundTopic>) -> Vec<FoundTopic> {
    for change in &plan.changes {
        if let Change::Create(wanted) = change {
            found.push(FoundTopic {
                name: wanted.name.clone(),
                partitions: wanted.partitions,
                cleanup: wanted.purpose.cleanup(),
                retention: wanted.retention,
                retention_bytes: None,
                compaction_lag: wanted.compaction_lag(),
                max_record: WantedTopic::MAX_RECORD,
            });
            continue;
        }
        let topic = found.iter_mut().find(|one| one.name == *change.topic()).unwrap();
        match change {
            Change::RaiseRetention { to, .. } => topic.retention = *to,
            Change::LiftSizeLimit { .. } => topic.retention_bytes = None,
            Change::Compact { lag, .. } => (topic.cleanup, topic.compaction_lag) = (Cleanup::Compact, *lag),
            Change::RaiseCompactionLag { to, .. } => topic.compaction_lag = *to,
            Change::RaiseRecordLimit { to, .. } => topic.max_record = *to,
            Change::AddPartitions { to, .. } => topic.partitions = *to,
            other => panic!("not known to this test: {other:?}"),
        }
    }
    found
}

/// How long a record stays at least, with a later one of its key or without.
fn stays(topic: &FoundTopic) -> Duration {
    let kept = topic.retention.unwrap_or(Duration::MAX);
    match topic.cleanup {
        Cleanup::Delete => kept,
        Cleanup::Compact => topic.compaction_lag,
        Cleanup::CompactAndDelete => kept.min(topic.compaction_lag),
    }
}

proptest! {
    #[test]
    fn a_plan_that_is_carried_out_leaves_nothing_but_what_was_refused(wanted in wanted(), found in found()) {
        let plan = TopicPlan::new(&wanted, &found);
        let again = TopicPlan::new(&wanted, &after(&plan, found));
        prop_assert_eq!(&again.changes, &[]);
        prop_assert_eq!(again.refusals, plan.refusals);
    }

    #[test]
    fn without_refusals_every_topic_is_as_wanted_in_the_end(wanted in wanted(), found in found()) {
        let plan = TopicPlan::new(&wanted, &found);
        let found = after(&plan, found);
        for topic in wanted.iter().filter(|topic| plan.refusals.iter().all(|refusal| refusal.topic != topic.name)) {
            let found = found.iter().find(|one| one.name == topic.name).unwrap();
            prop_assert!(found.cleanup == topic.purpose.cleanup() || topic.purpose.cleanup() == Cleanup::Delete);
            prop_assert!(found.max_record >= WantedTopic::MAX_RECORD);
            // What is kept for its time is kept as long as wanted, whichever way it goes in the end.
            prop_assert!(stays(found) >= topic.compaction_lag());
            prop_assert!(found.partitions == topic.partitions || (!topic.purpose.is_keyed() && found.partitions > topic.partitions));
            if found.cleanup == Cleanup::Delete {
                prop_assert_eq!(found.retention_bytes, None);
            }
        }
    }

    #[test]
    fn nothing_is_kept_shorter_no_key_moves_and_nobody_elses_topic_is_touched(wanted in wanted(), found in found()) {
        let plan = TopicPlan::new(&wanted, &found);
        let then = after(&plan, found.clone());
        for before in &found {
            let after = then.iter().find(|one| one.name == before.name).unwrap();
            let Some(wanted) = wanted.iter().find(|one| one.name == before.name) else {
                prop_assert_eq!(after, before);
                continue;
            };
            prop_assert!(after.retention_bytes.is_none_or(|bytes| before.retention_bytes == Some(bytes)));
            if wanted.purpose != Purpose::Changelog {
                prop_assert!(stays(after) >= stays(before));
            }
            prop_assert!(after.partitions >= before.partitions);
            if wanted.purpose.is_keyed() {
                prop_assert_eq!(after.partitions, before.partitions);
                let refused = plan.refusals.iter().any(|refusal| {
                    refusal.topic == before.name && !matches!(refusal.reason, RefusalReason::Compacted { .. })
                });
                prop_assert_eq!(refused, before.partitions != wanted.partitions);
            }
            // Compacted or not: what was to stay for its time is never compacted, what was to stay for its key never deleted.
            prop_assert!(after.cleanup == before.cleanup || after.cleanup == Cleanup::Compact);
            prop_assert!(wanted.purpose.cleanup() == Cleanup::Compact || after.cleanup == before.cleanup);
        }
    }

    #[test]
    fn every_wanted_topic_is_changed_refused_or_settled(wanted in wanted(), found in found()) {
        let plan = TopicPlan::new(&wanted, &found);
        for topic in &wanted {
            let changed = plan.changes.iter().any(|change| *change.topic() == topic.name);
            let refused = plan.refusals.iter().any(|refusal| refusal.topic == topic.name);
            prop_assert_eq!(changed || refused, !plan.settled.contains(&topic.name));
        }
        prop_assert_eq!(plan.is_settled(), plan.settled.len() == wanted.len());
        prop_assert_eq!(plan.missing().count() + plan.alterations().count(), plan.changes.len());
    }

    #[test]
    fn the_order_of_the_lists_changes_nothing(mut wanted in wanted(), mut found in found()) {
        let plan = TopicPlan::new(&wanted, &found);
        wanted.reverse();
        found.reverse();
        prop_assert_eq!(TopicPlan::new(&wanted, &found), plan);
    }
}

fn events(partitions: u32, retention: Duration) -> WantedTopic {
    WantedTopic {
        name: TopicName::new("paper.orders.filled"),
        purpose: Purpose::Events,
        partitions,
        retention: Some(retention),
    }
}

#[test]
fn a_dead_letter_topic_has_half_the_partitions_and_keeps_seven_days_at_least() {
    for (partitions, hours, want) in [(12, 1, (6, 168)), (3, 168, (1, 168)), (1, 720, (1, 720))] {
        let letters = WantedTopic::dead_letters_of(&events(partitions, HOUR * hours));
        assert_eq!(letters.name.as_str(), "paper.orders.filled.dlq");
        assert_eq!((letters.partitions, letters.retention), (want.0, Some(HOUR * want.1)));
        assert_eq!(letters.purpose, Purpose::DeadLetters);
    }
}

#[test]
fn a_refusal_says_why_and_what_can_be_done() {
    let found = FoundTopic {
        name: TopicName::new("paper.orders.filled"),
        partitions: 3,
        cleanup: Cleanup::Compact,
        retention: None,
        retention_bytes: None,
        compaction_lag: Duration::ZERO,
        max_record: WantedTopic::MAX_RECORD,
    };
    let plan = TopicPlan::new(&[events(6, HOUR * 24)], std::slice::from_ref(&found));
    let told: Vec<_> = plan.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "paper.orders.filled has 3 partitions and 6 are declared; more would move keys to other partitions, away from \
             their state and out of their order. Declare 3, or make a topic with another name and 6 partitions and copy \
             the events there",
            "paper.orders.filled is compacted: an event goes as soon as a later one of its key comes, read or not. With \
             cleanup.policy=delete all that is older than 1d would go at once, which is yours to decide: set it by hand, \
             or declare another topic"
        ]
    );
    assert!(plan.changes.is_empty());
}

#[test]
fn a_policy_is_read_as_brokers_write_it() {
    for (text, cleanup) in [
        ("delete", Ok(Cleanup::Delete)),
        ("compact", Ok(Cleanup::Compact)),
        ("delete, compact", Ok(Cleanup::CompactAndDelete)),
        ("remote", Err("unknown cleanup.policy \"remote\"".to_owned())),
    ] {
        assert_eq!(Cleanup::parse(text), cleanup);
    }
}
