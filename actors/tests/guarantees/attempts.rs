//! Attempts: those that fail leave nothing. Random programs of events, against a model of a few lines.

use std::collections::BTreeMap;

use pandaflow::{policy::ledger::Ledger, settings::Loader};
use pandaflow_actors::RuntimeConfig;
use proptest::{collection::vec, prelude::*};

use crate::support::*;

/// Attempts that the worker's declaration allows.
const ATTEMPTS: u32 = 5;

/// How an event ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    Done,
    Filtered,
    /// After so many attempts.
    Dead(u32),
}

/// How a job ends: the model.
pub fn outcome(job: &Job) -> Ends {
    for attempt in 1..=ATTEMPTS {
        match job.steps.get(attempt as usize - 1).map_or(Then::Succeed, |step| step.then) {
            Then::Succeed => return Ends::Done,
            Then::Filter => return Ends::Filtered,
            Then::Poison => return Ends::Dead(attempt),
            Then::Fail | Then::Panic | Then::Hang => {}
        }
    }
    Ends::Dead(ATTEMPTS)
}

fn job() -> impl Strategy<Value = (usize, Vec<Step>, bool)> {
    let then = prop_oneof![
        6 => Just(Then::Succeed),
        2 => Just(Then::Filter),
        6 => Just(Then::Fail),
        3 => Just(Then::Panic),
        2 => Just(Then::Hang),
        1 => Just(Then::Poison),
    ];
    let step = (prop_oneof![Just(0_u64), 1_u64..20], then).prop_map(|(millis, then)| Step { millis, then });
    (0_usize..8, vec(step, 0..7), prop::bool::weighted(0.1))
}

#[derive(Debug, Default, PartialEq)]
struct World {
    states: BTreeMap<String, Vec<u64>>,
    outputs: BTreeMap<String, Vec<(u64, usize)>>,
    /// Numbers and attempts, in order.
    dead: BTreeMap<String, Vec<u32>>,
    ledger: Ledger,
}

fn model(jobs: &[(Job, bool)]) -> World {
    let mut world = World::default();
    for (job, twice) in jobs {
        let key = || job.key.clone();
        let state = world.states.entry(key()).or_default();
        let outputs = world.outputs.entry(key()).or_default();
        let dead = world.dead.entry(key()).or_default();
        world.ledger.consumed += 1 + u64::from(*twice);
        world.ledger.duplicate += u64::from(*twice);
        match outcome(job) {
            Ends::Done => {
                outputs.push((job.no, state.len()));
                state.push(job.no);
                world.ledger.succeeded += 1;
            }
            Ends::Filtered => world.ledger.filtered += 1,
            Ends::Dead(attempts) => {
                dead.push(attempts);
                world.ledger.dead_lettered += 1;
            }
        }
    }
    world
}

async fn real(jobs: &[(Job, bool)]) -> World {
    let config = RuntimeConfig { restarts: without_budget(), ..RuntimeConfig::default() };
    let (mut kit, _) = start_with(config, |services| services).await;
    for (job, twice) in jobs {
        let now = kit.now();
        let id = kit.send("jobs", job.clone());
        if *twice {
            kit.send_as("jobs", job.clone(), id, now);
        }
    }
    kit.run_until_idle().await;
    let mut world = World { ledger: kit.ledger::<Worker>(), ..World::default() };
    for (job, _) in jobs {
        world.states.insert(job.key.clone(), kit.state::<Worker>(&job.key).done);
        world.outputs.entry(job.key.clone()).or_default();
        world.dead.entry(job.key.clone()).or_default();
    }
    for done in kit.events::<Done>("done") {
        world.outputs.get_mut(&done.data.key).unwrap().push((done.data.no, done.data.before));
    }
    for letter in kit.dead_letters() {
        let key = String::from_utf8(letter.record.key.unwrap().to_vec()).unwrap();
        world.dead.get_mut(&key).unwrap().push(letter.attempts);
    }
    world
}

#[test]
fn failed_attempts_leave_no_output_and_no_change_of_state() {
    property(60, &vec(job(), 1..40), async |jobs| {
        let job = |(no, (key, steps, twice)): (u64, (usize, Vec<Step>, bool))| {
            (Job { key: format!("k{key}"), no, steps }, twice)
        };
        let jobs: Vec<_> = (0..).zip(jobs).map(job).collect();
        assert_eq!(real(&jobs).await, model(&jobs));
    });
}

#[actix::test]
async fn a_handler_that_waits_goes_on_as_soon_as_its_wait_is_over() {
    let (mut kit, _) = start().await;
    kit.send("jobs", Job::new("ada", 0, &[]).taking(20));
    kit.send("jobs", Job::new("ada", 1, &[]).taking(20));
    kit.advance(std::time::Duration::from_millis(45)).await;
    assert_eq!(done(&kit, "ada"), [0, 1]);
}

#[actix::test]
async fn a_duplicate_right_behind_its_event_holds_up_its_key_for_no_lease() {
    let (mut kit, _) = start().await;
    let now = kit.now();
    let id = kit.send("jobs", Job::new("ada", 0, &[]));
    kit.send_as("jobs", Job::new("ada", 0, &[]), id, now);
    kit.send("jobs", Job::new("ada", 1, &[]));
    kit.advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(done(&kit, "ada"), [0, 1]);
    assert_eq!(kit.ledger::<Worker>().duplicate, 1);
}

/// The attempts at an event that always fails, where the settings are these.
fn attempts_by(settings: &[(&str, &str)]) -> u32 {
    let settings = Loader::new().processor::<Worker>().load(settings.iter().copied(), "").unwrap();
    let config = RuntimeConfig { retries: settings.retry, ..RuntimeConfig::default() };
    on_its_own_clock(async {
        let (mut kit, _) = start_with(config, |services| services).await;
        kit.send("jobs", Job::new("ada", 0, &[Then::Fail; 20]));
        kit.run_until_idle().await;
        let letters = kit.dead_letters();
        assert_eq!(letters.len(), 1);
        letters[0].attempts
    })
}

#[test]
fn settings_win_over_the_attempts_that_are_declared() {
    assert_eq!(attempts_by(&[]), ATTEMPTS);
    assert_eq!(attempts_by(&[("RETRY__TRANSIENT__ATTEMPTS", "2")]), 2);
    assert_eq!(attempts_by(&[("RETRY__BUSINESS__ATTEMPTS", "2")]), ATTEMPTS, "another class");
    let both = [("RETRY__TRANSIENT__ATTEMPTS", "2"), ("RETRY__WORKER__TRANSIENT__ATTEMPTS", "7")];
    assert_eq!(attempts_by(&both), 7);
}

#[test]
fn an_event_is_given_up_on_when_its_time_would_be_over_at_the_next_attempt() {
    let settings = [
        ("RETRY__TRANSIENT__ATTEMPTS", "20"),
        ("RETRY__TRANSIENT__BASE", "10s"),
        ("RETRY__TRANSIENT__MULTIPLIER", "1"),
        ("RETRY__TRANSIENT__JITTER", "none"),
        ("RETRY__TRANSIENT__GIVE_UP_AFTER", "30s"),
    ];
    // At 0, 10 and 20 seconds; the next would be at 30.
    assert_eq!(attempts_by(&settings), 3);
}
