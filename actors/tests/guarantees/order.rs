//! Per-key order: under many handlers at once, failures of every kind, and partitions that come and go.

use std::{collections::BTreeMap, time::Duration};

use pandaflow::Partition;
use pandaflow_actors::{RuntimeConfig, testkit::TestKit};
use proptest::{collection::vec, prelude::*};

use crate::support::*;

/// Something that befalls the worker while it works.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// A partition is asked back, drained, and given again.
    Revoke(u32),
    /// A partition is lost, and given again so much later.
    Lose(u32, u64),
    /// A partition is started over without a word to its task.
    StartOver(u32),
    /// The process ends in order and starts again.
    Restart,
    /// The next settlements fail.
    Unsettled(usize),
    /// The state store fails so often.
    NoState(usize),
    /// The dead-letter store fails so often.
    NoDeadLetters(usize),
    /// The dedup store fails so often.
    NoDedup(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let then = prop_oneof![
        12 => Just(Then::Succeed),
        2 => Just(Then::Filter),
        6 => Just(Then::Fail),
        2 => Just(Then::Panic),
        1 => Just(Then::Hang),
        1 => Just(Then::Poison),
    ];
    (0_u64..40, then).prop_map(|(millis, then)| Step { millis, then })
}

fn jobs(keys: usize, count: usize) -> impl Strategy<Value = Vec<Job>> {
    vec((0..keys, vec(step(), 0..6)), count..=count).prop_map(|jobs| {
        let job = |(no, (key, steps)): (u64, (usize, Vec<Step>))| Job { key: format!("k{key}"), no, steps };
        (0..).zip(jobs).map(job).collect()
    })
}

fn blow() -> impl Strategy<Value = Blow> {
    let partition = 0_u32..6;
    prop_oneof![
        3 => partition.clone().prop_map(Blow::Revoke),
        3 => (partition.clone(), 0_u64..30).prop_map(|(partition, later)| Blow::Lose(partition, later)),
        2 => partition.prop_map(Blow::StartOver),
        1 => Just(Blow::Restart),
        2 => (1_usize..6).prop_map(Blow::Unsettled),
        1 => (1_usize..4).prop_map(Blow::NoState),
        1 => (1_usize..4).prop_map(Blow::NoDeadLetters),
        1 => (1_usize..4).prop_map(Blow::NoDedup),
    ]
}

/// The jobs that are done in the end, by key, in the order in which they were sent.
fn expected(jobs: &[Job]) -> BTreeMap<String, Vec<u64>> {
    let mut done: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for job in jobs {
        let of_key = done.entry(job.key.clone()).or_default();
        if crate::attempts::outcome(job) == crate::attempts::Ends::Done {
            of_key.push(job.no);
        }
    }
    done
}

async fn befall(kit: &mut TestKit, blow: Blow) {
    let group = kit.group::<Worker>();
    match blow {
        Blow::Revoke(partition) => {
            kit.transport().revoke(&group, Partition(partition));
            // A handler hangs for 5 s at most.
            kit.advance(Duration::from_secs(6)).await;
            kit.transport().assign_again(&group, Partition(partition));
        }
        Blow::Lose(partition, later) => {
            kit.transport().lose(&group, Partition(partition));
            if later > 0 {
                kit.advance(Duration::from_millis(later)).await;
            }
            kit.transport().assign_again(&group, Partition(partition));
        }
        Blow::StartOver(partition) => kit.transport().assign_again(&group, Partition(partition)),
        Blow::Restart => kit.restart().await,
        Blow::Unsettled(count) => {
            kit.transport().faults().fail_settlements(count, pandaflow::ports::SettleErrorKind::Retry);
        }
        Blow::NoState(count) => kit.transport().faults().states().fail(count),
        Blow::NoDeadLetters(count) => kit.transport().faults().dead_letters().fail(count),
        Blow::NoDedup(count) => kit.transport().faults().dedup().fail(count),
    }
}

async fn keeps_order(jobs: Vec<Job>, blows: Vec<(u64, Blow)>) {
    let config = RuntimeConfig { restarts: without_budget(), ..RuntimeConfig::default() };
    let (mut kit, journal) = start_with(config, |services| services).await;
    for job in &jobs {
        kit.send("jobs", job.clone());
    }
    for (after, blow) in blows {
        kit.advance(Duration::from_millis(after)).await;
        befall(&mut kit, blow).await;
    }
    kit.run_until_idle().await;
    journal.assert_in_order(&jobs);
    for (key, expected) in expected(&jobs) {
        assert_eq!(kit.state::<Worker>(&key).done, expected, "state of {key}");
        assert_eq!(done(&kit, &key), expected, "outputs of {key}");
    }
    let ledger = kit.ledger::<Worker>();
    assert_eq!(ledger.consumed, jobs.len() as u64);
    assert!(ledger.is_settled(), "{ledger:?}");
}

#[test]
fn a_hundred_handlers_with_delays_retries_and_panics_keep_the_order_of_every_key() {
    let strategy = (1_usize..80).prop_flat_map(|keys| jobs(keys, 300));
    property(20, &strategy, async |jobs| keeps_order(jobs, Vec::new()).await);
}

#[test]
fn order_holds_when_partitions_are_revoked_lost_and_started_over_and_stores_fail() {
    let strategy = (1_usize..40).prop_flat_map(|keys| (jobs(keys, 120), vec((0_u64..60, blow()), 1..8)));
    property(40, &strategy, async |(jobs, blows)| keeps_order(jobs, blows).await);
}
