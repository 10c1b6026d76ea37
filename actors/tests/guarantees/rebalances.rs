//! Partitions that are revoked, lost and given again, processes that end and start: in the middle of handlers.

use std::{collections::BTreeSet, time::Duration};

use pandaflow::{
    EventId, Partition, partition_of,
    policy::{ledger::Ledger, restart_budget::RestartLimits},
};
use pandaflow_actors::{LifecycleState, RuntimeConfig, testkit::TestKit};

use crate::support::*;

const ZERO: Partition = Partition(0);

async fn one_partition() -> (TestKit, Journal) {
    let (program, journal) = worker_on_one_partition();
    (TestKit::start(program).await, journal)
}

#[actix::test]
async fn a_revoked_partition_ends_and_settles_what_it_began_and_gives_back_the_rest() {
    let (mut kit, journal) = one_partition().await;
    for no in 0..5 {
        kit.send("jobs", Job::new("ada", no, &[]).taking(100));
    }
    kit.advance(Duration::from_millis(150)).await;
    kit.transport().revoke(&kit.group::<Worker>(), ZERO);
    kit.advance(Duration::from_secs(1)).await;
    assert_eq!(kit.state::<Worker>("ada").done, [0, 1], "what had begun was ended and settled");
    assert_eq!(journal.started().len(), 2, "nothing was begun after the revocation");
    kit.send("jobs", Job::new("ada", 5, &[]));
    kit.advance(Duration::from_secs(60)).await;
    assert_eq!(journal.started().len(), 2);
    kit.transport().assign_again(&kit.group::<Worker>(), ZERO);
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Worker>("ada").done, [0, 1, 2, 3, 4, 5]);
    assert_eq!(journal.started().len(), 6, "nothing was handled twice");
}

#[actix::test]
async fn nothing_of_a_revoked_partition_is_settled_once_it_has_been_let_go() {
    let (mut kit, _) = one_partition().await;
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.transport().faults().hold_settlements();
    kit.advance(Duration::from_millis(10)).await;
    assert_eq!(kit.transport().faults().held_settlements(), 1);
    kit.transport().revoke(&kit.group::<Worker>(), ZERO);
    // Past the drain's deadline of 30 s.
    kit.advance(Duration::from_secs(40)).await;
    kit.transport().faults().release_settlements();
    kit.advance(Duration::from_secs(1)).await;
    assert_eq!((done(&kit, "ada"), kit.state::<Worker>("ada").done), (vec![], vec![]));
    kit.transport().assign_again(&kit.group::<Worker>(), ZERO);
    kit.run_until_idle().await;
    assert_eq!((done(&kit, "ada"), kit.state::<Worker>("ada").done), (vec![0], vec![0]));
}

#[actix::test]
async fn a_lost_partition_settles_nothing_and_drops_its_handlers() {
    let (mut kit, journal) = one_partition().await;
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.send("jobs", Job::new("ada", 1, &[]).taking(100));
    kit.advance(Duration::from_millis(50)).await;
    kit.transport().lose(&kit.group::<Worker>(), ZERO);
    kit.advance(Duration::from_secs(5)).await;
    assert_eq!(kit.state::<Worker>("ada").done, [0]);
    let ended = journal.lines().iter().filter(|line| matches!(line, Line::Ended { no: 1, .. })).count();
    assert_eq!(ended, 1, "the handler was dropped");
    kit.transport().assign_again(&kit.group::<Worker>(), ZERO);
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Worker>("ada").done, [0, 1]);
    assert_eq!(kit.ledger::<Worker>().consumed, 2);
}

#[actix::test]
async fn a_partition_that_is_started_over_without_a_word_has_one_task_that_works() {
    let (mut kit, journal) = one_partition().await;
    let sent = [Job::new("ada", 0, &[]).taking(100), Job::new("ada", 1, &[])];
    for job in &sent {
        kit.send("jobs", job.clone());
    }
    kit.advance(Duration::from_millis(50)).await;
    kit.transport().assign_again(&kit.group::<Worker>(), ZERO);
    kit.run_until_idle().await;
    journal.assert_in_order(&sent);
    assert_eq!(kit.state::<Worker>("ada").done, [0, 1]);
}

#[actix::test]
async fn a_partition_given_and_taken_at_once_leaves_no_task_behind() {
    let (mut kit, _) = one_partition().await;
    let group = kit.group::<Worker>();
    kit.advance(Duration::from_secs(2)).await;
    assert_eq!(health_of(&kit, "progress:test.worker").await.len(), 1);
    for _ in 0..3 {
        kit.transport().assign_again(&group, ZERO);
        kit.transport().lose(&group, ZERO);
    }
    kit.advance(Duration::from_secs(2)).await;
    let progress = health_of(&kit, "progress:test.worker").await;
    assert_eq!(progress, [], "no task lives");
    kit.transport().assign_again(&group, ZERO);
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Worker>("ada").done, [0]);
}

#[actix::test]
async fn a_task_that_failed_and_whose_partition_was_taken_meanwhile_is_nobodys_failure() {
    let (program, _) = worker_on_one_partition();
    let restarts = RestartLimits { restarts: 2, ..RestartLimits::default() };
    let config = RuntimeConfig { restarts, ..RuntimeConfig::default() };
    let mut kit = TestKit::start_with(program, config, |services| services).await;
    kit.transport().faults().fail_settlements(1, pandaflow::ports::SettleErrorKind::Refused);
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.advance(Duration::from_millis(5)).await;
    kit.transport().lose(&kit.group::<Worker>(), ZERO);
    kit.advance(Duration::from_secs(60)).await;
    assert_eq!(kit.runtime().states().await[0].state, LifecycleState::Running);
    kit.transport().assign_again(&kit.group::<Worker>(), ZERO);
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Worker>("ada").done, [0]);
}

#[actix::test]
async fn a_claim_whose_owner_is_gone_holds_until_its_lease_ends_and_no_longer() {
    let (mut kit, journal) = start().await;
    let key_of = |partition| {
        let mut keys = (0..).map(|no| format!("k{no}"));
        keys.find(|key| partition_of(Some(key.as_bytes()), 6) == Partition(partition)).unwrap()
    };
    let now = kit.now();
    let id = kit.send("jobs", Job::new(&key_of(0), 0, &[]).taking(3_000));
    kit.advance(Duration::from_secs(1)).await;
    // Its owner is gone for good; the same event comes in elsewhere.
    kit.transport().lose(&kit.group::<Worker>(), ZERO);
    kit.send_as("jobs", Job::new(&key_of(1), 1, &[]), id, now);
    kit.advance(Duration::from_secs(50)).await;
    assert_eq!(journal.started(), [(0, 1)], "nobody knows yet that the owner will not end it");
    // The lease is 60 s.
    kit.advance(Duration::from_secs(15)).await;
    assert_eq!(journal.started(), [(0, 1), (1, 1)]);
    assert_eq!(done(&kit, &key_of(1)), [1]);
}

#[actix::test]
async fn attempts_are_counted_over_restarts() {
    let (mut kit, journal) = one_partition().await;
    kit.send("jobs", Job::new("ada", 0, &[Then::Fail; 9]));
    while journal.started().len() < 3 {
        kit.advance(Duration::from_millis(1)).await;
    }
    kit.restart().await;
    kit.run_until_idle().await;
    assert_eq!(journal.started(), [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]);
    let letters = kit.dead_letters();
    assert_eq!(letters.iter().map(|letter| letter.attempts).collect::<Vec<_>>(), [5]);
    assert!(letters[0].first_failed < letters[0].last_failed);
}

#[actix::test]
async fn no_attempt_beyond_the_last_is_made_when_the_dead_letter_could_not_be_filed_before_the_end() {
    let (mut kit, journal) = one_partition().await;
    kit.transport().faults().dead_letters().fail(usize::MAX);
    // A sixth attempt would succeed.
    kit.send("jobs", Job::new("ada", 0, &[Then::Fail; 5]));
    kit.advance(Duration::from_secs(60)).await;
    assert_eq!(journal.started().len(), 5);
    kit.restart().await;
    kit.transport().faults().dead_letters().fail(0);
    kit.run_until_idle().await;
    assert_eq!(journal.started()[4..], [(0, 5), (0, 5)], "the last attempt again, and not one more");
    assert_eq!(kit.dead_letters().iter().map(|letter| letter.attempts).collect::<Vec<_>>(), [5]);
}

#[actix::test]
async fn an_event_that_is_given_up_on_while_its_task_drains_is_a_dead_letter_all_the_same() {
    let (mut kit, journal) = one_partition().await;
    kit.send("jobs", Job::new("ada", 0, &[Then::Poison]).taking(100));
    kit.advance(Duration::from_millis(50)).await;
    kit.restart().await;
    kit.run_until_idle().await;
    assert_eq!(journal.started(), [(0, 1)]);
    assert_eq!(kit.dead_letters().iter().map(|letter| letter.attempts).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_crash_at_any_instant_ends_like_an_undisturbed_run() {
    let jobs: Vec<_> = (0..12)
        .map(|no| {
            let thens: &[Then] = match no % 4 {
                0 => &[Then::Fail],
                1 => &[Then::Poison],
                2 => &[Then::Filter],
                _ => &[],
            };
            Job::new(&format!("k{}", no % 3), no, thens).taking(no % 5)
        })
        .collect();
    let mut undisturbed = None;
    for instant in 0..40 {
        let end = on_its_own_clock(crashed(&jobs, instant));
        assert_eq!(undisturbed.get_or_insert_with(|| end.clone()), &end, "after a crash at {instant} ms");
    }
}

type End = (Vec<Work>, Vec<Vec<u64>>, BTreeSet<(Option<EventId>, u32)>, Ledger);

/// How a run ends that crashes thrice, each time so many milliseconds after it began; that of 0 is left alone.
async fn crashed(jobs: &[Job], instant: u64) -> End {
    let (mut kit, journal) = start().await;
    for job in jobs {
        kit.send("jobs", job.clone());
    }
    for _ in 0..instant.min(3) {
        kit.advance(Duration::from_millis(instant)).await;
        for partition in 0..6 {
            kit.transport().lose(&kit.group::<Worker>(), Partition(partition));
        }
        for partition in 0..6 {
            kit.transport().assign_again(&kit.group::<Worker>(), Partition(partition));
        }
    }
    kit.run_until_idle().await;
    journal.assert_in_order(jobs);
    let states: Vec<_> = (0..3).map(|key| kit.state::<Worker>(&format!("k{key}"))).collect();
    let outputs: Vec<_> = (0..3).map(|key| done(&kit, &format!("k{key}"))).collect();
    let dead = kit.dead_letters().into_iter().map(|letter| (letter.event_id, letter.attempts)).collect();
    (states, outputs, dead, kit.ledger::<Worker>())
}
