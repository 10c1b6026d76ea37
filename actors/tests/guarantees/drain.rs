//! Draining: the deadline holds, and what was not handled comes again in the next life.

use std::time::Duration;

use pandaflow::{Context, Event, Handle, StreamProcessor, policy::ledger::Ledger};
use pandaflow_actors::{Program, testkit::TestKit};

use crate::support::*;

/// Hangs for good at the first attempt of its first life, if the event says so.
#[derive(StreamProcessor)]
#[processor(
    name = "sleeper",
    input(topic = "jobs", event = Job),
    output(topic = "done", event = Done),
    state = Work,
    timeout = "1h",
)]
struct Sleeper {
    journal: Journal,
    awake: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Handle<Job> for Sleeper {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, job: Event<Job>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        self.journal.note_start(&job.data, ctx.attempt());
        let before = ctx.state().done.len();
        ctx.state_mut().done.push(job.no);
        ctx.emit(Done { key: job.data.key.clone(), no: job.no, before });
        if job.steps.first().is_some_and(|step| step.then == Then::Hang)
            && !self.awake.load(std::sync::atomic::Ordering::Relaxed)
        {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[actix::test]
async fn a_drain_ends_at_its_deadline_and_what_still_ran_comes_again() {
    let awake = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let journal = Journal::default();
    let (woken, noted) = (awake.clone(), journal.clone());
    let program = Program::new().processor(move || Sleeper { journal: noted.clone(), awake: woken.clone() });
    let mut kit = TestKit::start(program).await;
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.send("jobs", Job::new("ada", 1, &[Then::Hang]));
    kit.send("jobs", Job::new("ada", 2, &[]));
    kit.send("jobs", Job::new("bob", 3, &[]));
    kit.advance(Duration::from_millis(10)).await;
    let before = kit.now();
    // Its deadline is 30 s.
    assert!(!kit.stop().await, "a handler was cut off");
    let took = kit.now().since(before);
    assert!(took >= Duration::from_secs(30) && took < Duration::from_secs(31), "{took:?}");
    assert_eq!(kit.state::<Sleeper>("ada").done, [0]);
    assert_eq!(kit.state::<Sleeper>("bob").done, [3]);
    assert_eq!(done(&kit, "ada"), [0]);
    assert!(kit.ledger::<Sleeper>().is_settled());
    awake.store(true, std::sync::atomic::Ordering::Relaxed);
    kit.restart().await;
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Sleeper>("ada").done, [0, 1, 2]);
    assert_eq!(done(&kit, "ada"), [0, 1, 2]);
    assert_eq!(kit.ledger::<Sleeper>().succeeded, 4);
    let mut started = journal.started();
    started.sort_unstable();
    assert_eq!(started, [(0, 1), (1, 1), (1, 1), (2, 1), (3, 1)]);
}

#[actix::test]
async fn a_drain_that_has_nothing_to_wait_for_ends_at_once() {
    let (mut kit, journal) = start().await;
    kit.send("jobs", Job::new("ada", 0, &[Then::Fail; 9]));
    kit.advance(Duration::from_millis(1)).await;
    let before = kit.now();
    assert!(kit.stop().await);
    assert!(kit.now().since(before) < Duration::from_millis(100), "a retry's wait is not waited for");
    // Nothing of it is stored but its attempt.
    assert_eq!(kit.ledger::<Worker>(), Ledger::default());
    kit.restart().await;
    kit.advance(Duration::from_millis(1)).await;
    assert_eq!(
        journal.started(),
        [(0, 1), (0, 2)],
        "its first attempt is counted, and it is tried again at once"
    );
}

#[actix::test]
async fn a_drain_waits_for_settlements_until_its_deadline_and_no_longer() {
    let (mut kit, _) = start().await;
    kit.transport().faults().hold_settlements();
    kit.send("jobs", Job::new("ada", 0, &[]));
    kit.advance(Duration::from_millis(1)).await;
    let before = kit.now();
    kit.stop().await;
    assert!(kit.now().since(before) < Duration::from_secs(31));
    // What comes in too late is refused: its owner has let go.
    kit.transport().faults().release_settlements();
    assert!(done(&kit, "ada").is_empty());
    kit.restart().await;
    kit.run_until_idle().await;
    assert_eq!(done(&kit, "ada"), [0]);
    assert_eq!(kit.state::<Worker>("ada").done, [0]);
}

#[test]
fn a_life_cut_short_and_a_second_one_end_like_an_undisturbed_run() {
    let undisturbed = on_its_own_clock(two_lives(None));
    for stop_after in [0, 3, 11, 25] {
        assert_eq!(
            on_its_own_clock(two_lives(Some(stop_after))),
            undisturbed,
            "stopped after {stop_after} ms"
        );
    }
}

async fn two_lives(stop_after: Option<u64>) -> (Vec<Work>, Vec<Vec<u64>>, Ledger) {
    let (mut kit, journal) = start().await;
    for no in 0..30 {
        kit.send("jobs", Job::new(&format!("k{}", no % 4), no, &[]).taking(no % 7));
    }
    if let Some(millis) = stop_after {
        kit.advance(Duration::from_millis(millis)).await;
        kit.restart().await;
    }
    kit.run_until_idle().await;
    assert_eq!(journal.started().len(), 30, "an orderly end makes nothing twice");
    let states = (0..4).map(|key| kit.state::<Worker>(&format!("k{key}"))).collect();
    let outputs = (0..4).map(|key| done(&kit, &format!("k{key}"))).collect();
    (states, outputs, kit.ledger::<Worker>())
}
