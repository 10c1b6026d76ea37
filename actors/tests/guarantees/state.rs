//! State per key and tables: versions, bytes that don't fit, a cache that is too small, latest values.

use std::{num::NonZeroUsize, time::Duration};

use bytes::Bytes;
use pandaflow::{
    Context, Event, FailureKind, Handle, StreamProcessor, partition_of,
    ports::{AttemptChange, Settlement, StateChange, Transport},
};
use pandaflow_actors::{Program, RuntimeConfig, testkit::TestKit};
use proptest::collection::vec;
use serde::{Deserialize, Serialize};

use crate::support::*;

/// Writes the stored bytes of a key's state by hand, as another program would have left them.
async fn plant<P: StreamProcessor>(kit: &TestKit, key: &str, bytes: &str) {
    let partition = partition_of(Some(key.as_bytes()), 6);
    let (group, topics) = (kit.group::<P>(), vec![kit.topic("jobs")]);
    let store = kit.transport().settlement();
    let acquired = store.acquire(group.clone(), partition, topics).await.unwrap();
    let value = Some(Bytes::copy_from_slice(bytes.as_bytes()));
    let settlement = Settlement {
        states: vec![StateChange::new(Bytes::copy_from_slice(key.as_bytes()), value)],
        attempts: Vec::<AttemptChange>::new(),
        progress: acquired.progress,
        ledger: acquired.ledger,
        ..Settlement::empty(acquired.owner)
    };
    store.settle(settlement).await.unwrap();
    kit.transport().assign_again(&group, partition);
}

#[actix::test]
async fn stored_state_that_does_not_fit_is_a_dead_letter_that_names_the_key_and_stays_as_it_was() {
    let (mut kit, _) = start().await;
    let misfits = [
        ("newer", r#"{"version":2,"state":{"done":[7]}}"#, "schema version 2"),
        ("other", r#"{"version":1,"state":{"done":"seven"}}"#, "doesn't fit its type"),
        ("broken", r#"{"version":1,"sta"#, "is not a stored state"),
    ];
    for (key, bytes, _) in misfits {
        plant::<Worker>(&kit, key, bytes).await;
        kit.send("jobs", Job::new(key, 1, &[]));
        kit.send("jobs", Job::new("fine", 1, &[]));
    }
    kit.run_until_idle().await;
    let letters = kit.dead_letters();
    assert_eq!(letters.len(), 3);
    for (key, bytes, part) in misfits {
        let letter =
            letters.iter().find(|letter| letter.record.key.as_deref() == Some(key.as_bytes())).unwrap();
        assert_eq!(letter.kind, FailureKind::State);
        assert!(letter.message.contains(key) && letter.message.contains(part), "{}", letter.message);
        let stored = kit.transport().state(&kit.group::<Worker>(), key.as_bytes()).unwrap();
        assert_eq!(stored, bytes.as_bytes());
    }
    assert_eq!(kit.state::<Worker>("fine").done.len(), 3);
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct WorkWithTotal {
    done: Vec<u64>,
    total: u64,
}

#[derive(StreamProcessor)]
#[processor(name = "later", input(topic = "jobs", event = Job), state = WorkWithTotal, state_version = 2)]
struct Later;

impl Handle<Job> for Later {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, job: Event<Job>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        let state = ctx.state_mut();
        state.done.push(job.no);
        state.total += job.no;
        Ok(())
    }
}

#[actix::test]
async fn a_later_version_reads_what_an_earlier_one_wrote() {
    let mut kit = TestKit::start(Program::new().processor(|| Later)).await;
    plant::<Later>(&kit, "ada", r#"{"version":1,"state":{"done":[7]}}"#).await;
    kit.send("jobs", Job::new("ada", 8, &[]));
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Later>("ada"), WorkWithTotal { done: vec![7, 8], total: 8 });
    let stored = kit.transport().state(&kit.group::<Later>(), b"ada").unwrap();
    assert_eq!(stored, r#"{"version":2,"state":{"done":[7,8],"total":8}}"#.as_bytes());
}

fn tiny_cache(keys: usize) -> RuntimeConfig {
    RuntimeConfig { cached_keys: NonZeroUsize::new(keys).unwrap(), ..RuntimeConfig::default() }
}

#[actix::test]
async fn more_keys_than_the_cache_holds_come_back_right_and_the_bound_holds() {
    let (mut kit, _) = start_with(tiny_cache(3), |services| services).await;
    for round in 0..4 {
        for key in 0..200 {
            kit.send("jobs", Job::new(&format!("k{key}"), round, &[]));
        }
        kit.run_until_idle().await;
    }
    for key in 0..200 {
        assert_eq!(kit.state::<Worker>(&format!("k{key}")).done, [0, 1, 2, 3]);
    }
    kit.advance(Duration::from_secs(2)).await;
    let text = kit.runtime().services().metrics.render().await.unwrap();
    let cached = text.lines().filter(|line| line.starts_with("pandaflow_cached_keys{"));
    let sizes: Vec<f64> = cached.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(sizes.len() == 6 && sizes.iter().all(|size| *size <= 3.0), "{sizes:?}");
}

#[actix::test]
async fn changes_that_are_not_settled_yet_are_never_let_go_from_the_cache() {
    let (mut kit, _) = start_with(tiny_cache(1), |services| services).await;
    kit.transport().faults().hold_settlements();
    for round in 0..4 {
        for key in 0..30 {
            kit.send("jobs", Job::new(&format!("k{key}"), round, &[]));
        }
        // Nothing is settled: the store knows none of it.
        kit.advance(Duration::from_millis(5)).await;
    }
    kit.transport().faults().release_settlements();
    kit.run_until_idle().await;
    for key in 0..30 {
        assert_eq!(kit.state::<Worker>(&format!("k{key}")).done, [0, 1, 2, 3]);
    }
}

#[test]
fn a_cache_of_any_size_changes_nothing() {
    let strategy = (1_usize..6, vec((0_usize..40, 0_u64..6), 1..150), vec(0_usize..3, 3));
    property(30, &strategy, async |(size, jobs, faults)| {
        let (mut kit, _) = start_with(tiny_cache(size), |services| services).await;
        kit.transport().faults().states().fail(faults[0]);
        kit.transport().faults().fail_settlements(faults[1], pandaflow::ports::SettleErrorKind::Retry);
        for (no, (key, millis)) in (0..).zip(&jobs) {
            kit.send("jobs", Job::new(&format!("k{key}"), no, &[]).taking(*millis));
            if no % 40 == 39 {
                kit.advance(Duration::from_millis(3)).await;
            }
        }
        kit.run_until_idle().await;
        for key in 0..40 {
            let of_key = (0..).zip(&jobs).filter(|(_, (of, _))| *of == key).map(|(no, _)| no);
            assert_eq!(kit.state::<Worker>(&format!("k{key}")).done, of_key.collect::<Vec<u64>>());
        }
    });
}

#[actix::test]
async fn an_event_without_a_key_and_one_with_an_empty_key_share_a_state_and_wait_for_each_other() {
    let (program, _) = worker_on_one_partition();
    let mut kit = TestKit::start(program).await;
    for no in 0..20 {
        kit.send("jobs", Job::new("x", 1_000 + no, &[]));
        let record = kit.records("jobs").pop().unwrap();
        let job = serde_json::to_value(Job::new("x", no, &[]).taking(3)).unwrap();
        let mut envelope: serde_json::Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
        envelope["id"] = format!("00000000-0000-7000-8000-{no:012}").into();
        envelope["data"] = job;
        let value = Bytes::from(serde_json::to_vec(&envelope).unwrap());
        kit.send_raw("jobs", (no % 2 == 0).then(Bytes::new), Some(value));
    }
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Worker>("").done, (0..20).collect::<Vec<_>>());
}

/// A state that can't be written: JSON has no keys but texts.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Unwritable {
    done: Vec<u64>,
    at: std::collections::BTreeMap<(u8, u8), u8>,
}

#[derive(StreamProcessor)]
#[processor(name = "careless", input(topic = "jobs", event = Job), state = Unwritable)]
struct Careless;

impl Handle<Job> for Careless {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, job: Event<Job>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        ctx.state_mut().done.push(job.no);
        if job.no == 3 {
            ctx.state_mut().at.insert((1, 2), 3);
        }
        Ok(())
    }
}

#[actix::test]
async fn an_event_that_makes_a_state_that_cannot_be_written_is_a_dead_letter_and_stops_no_other() {
    let mut kit = TestKit::start(Program::new().processor(|| Careless)).await;
    for no in 0..6 {
        kit.send("jobs", Job::new("ada", no, &[]));
        kit.send("jobs", Job::new("bob", 10 + no, &[]));
    }
    // A minute at most: it may take a start or two of the task.
    kit.advance(Duration::from_secs(60)).await;
    assert_eq!(kit.state::<Careless>("ada").done, [0, 1, 2, 4, 5]);
    assert_eq!(kit.state::<Careless>("bob").done, [10, 11, 12, 13, 14, 15]);
    let letters = kit.dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].message.contains("ada"), "{}", letters[0].message);
}

#[actix::test]
async fn a_dead_letter_leaves_the_state_of_its_key_as_it_was() {
    let (mut kit, _) = start().await;
    plant::<Worker>(&kit, "ada", r#"{"version":1,"state":{"done":[7]}}"#).await;
    kit.send("jobs", Job::new("ada", 8, &[Then::Poison]));
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Worker>("ada").done, [7], "a dead letter changes no state");
}

#[derive(StreamProcessor)]
#[processor(
    name = "looker",
    input(topic = "jobs", event = Job),
    table(topic = "done", event = Done),
    state = Work,
)]
struct Looker;

impl Handle<Job> for Looker {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, job: Event<Job>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        // 1,000 for nothing there, 2,000 for something that is no `Done`.
        let seen = match ctx.look_up::<Done>(&job.key) {
            Ok(Some(done)) => done.no,
            Ok(None) => 1_000,
            Err(_) => 2_000,
        };
        ctx.state_mut().done.push(seen);
        Ok(())
    }
}

#[actix::test]
async fn a_table_shows_the_latest_value_of_a_key_follows_its_topic_and_forgets_by_tombstones() {
    let mut kit = TestKit::start(Program::new().processor(|| Looker)).await;
    let done = |no| Done { key: "ada".into(), no, before: 0 };
    for round in 0..5 {
        match round {
            1 => drop(kit.send("done", done(1))),
            2 => {
                kit.send("done", done(2));
                kit.send("done", done(3));
                kit.send("done", Done { key: "bob".into(), no: 9, before: 0 });
            }
            3 => kit.send_raw("done", Some("ada".into()), None),
            4 => kit.send_raw("done", Some("ada".into()), Some("{}".into())),
            _ => {}
        }
        kit.send("jobs", Job::new("ada", round, &[]));
        kit.run_until_idle().await;
    }
    assert_eq!(kit.state::<Looker>("ada").done, [1_000, 1, 3, 1_000, 2_000]);
    kit.send("done", done(5));
    kit.restart().await;
    kit.send("jobs", Job::new("ada", 5, &[]));
    kit.run_until_idle().await;
    assert_eq!(kit.state::<Looker>("ada").done.last(), Some(&5), "a new life knows what lies there");
}

/// Counts with the macros of the `metrics` crate, before and after it has waited.
#[derive(StreamProcessor)]
#[processor(name = "counter", input(topic = "jobs", event = Job))]
struct Counter;

impl Handle<Job> for Counter {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, job: Event<Job>, _: &mut Context<Self>) -> Result<(), Self::Error> {
        metrics::counter!("jobs_begun_total").increment(1);
        tokio::time::sleep(Duration::from_millis(job.no)).await;
        metrics::counter!("jobs_done_total").increment(1);
        Ok(())
    }
}

#[actix::test]
async fn what_a_handler_counts_is_served_with_the_metrics_of_its_process() {
    let mut kit = TestKit::start(Program::new().processor(|| Counter)).await;
    for no in 0..5 {
        kit.send("jobs", Job::new("ada", no, &[]));
    }
    kit.run_until_idle().await;
    let text = kit.runtime().services().metrics.render().await.unwrap();
    assert!(text.contains("jobs_begun_total 5") && text.contains("jobs_done_total 5"), "{text}");
}
