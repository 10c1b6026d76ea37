//! Ids and the walls between namespaces.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use pandaflow::{Context, Event, EventId, Handle, Headers, Outgoing, Partition, StreamProcessor};
use pandaflow_actors::{Program, testkit::TestKit};

use crate::support::*;

/// Emits two events for each that it takes, and takes them itself in a second step.
#[derive(StreamProcessor)]
#[processor(
    name = "fork",
    input(topic = "jobs", event = Job),
    output(topic = "done", event = Done),
    output(topic = "more", event = Job),
    timeout = "5s",
)]
struct Fork;

impl Handle<Job> for Fork {
    type Error = WorkError;

    async fn handle(&mut self, job: Event<Job>, ctx: &mut Context<Self>) -> Result<(), WorkError> {
        let Job { key, no, steps } = job.data;
        ctx.emit(Done { key: key.clone(), no, before: 0 });
        ctx.emit(Job { key: key.clone(), no, steps: Vec::new() });
        ctx.emit(Done { key, no, before: 1 });
        match steps.get(ctx.attempt() as usize - 1).map(|step| step.then) {
            Some(Then::Fail) => Err(WorkError::NotNow),
            _ => Ok(()),
        }
    }
}

#[derive(StreamProcessor)]
#[processor(name = "tail", input(topic = "more", event = Job), output(topic = "end", event = Done))]
struct Tail;

impl Handle<Job> for Tail {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, job: Event<Job>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        ctx.emit(Done { key: job.key.clone(), no: job.no, before: 0 });
        Ok(())
    }
}

fn program() -> Program {
    Program::new().processor(|| Fork).processor(|| Tail)
}

fn ids(kit: &TestKit) -> BTreeSet<EventId> {
    let done = kit.events::<Done>("done").into_iter().chain(kit.events::<Done>("end"));
    let ids: Vec<EventId> = done
        .map(|event| event.meta.id)
        .chain(kit.events::<Job>("more").into_iter().map(|event| event.meta.id))
        .collect();
    let set: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(set.len(), ids.len(), "no id twice");
    set
}

async fn emitted(crash: bool) -> BTreeSet<EventId> {
    let mut kit = TestKit::start(program()).await;
    for no in 0..10 {
        kit.send("jobs", Job::new(&format!("k{no}"), no, if no % 3 == 0 { &[Then::Fail] } else { &[] }));
    }
    if crash {
        // All is handled, nothing is settled: it has to be done again.
        kit.transport().faults().hold_settlements();
        kit.advance(Duration::from_millis(5)).await;
        for partition in 0..6 {
            kit.transport().lose(&kit.group::<Fork>(), Partition(partition));
            kit.transport().assign_again(&kit.group::<Fork>(), Partition(partition));
        }
        kit.transport().faults().release_settlements();
    }
    kit.run_until_idle().await;
    ids(&kit)
}

#[test]
fn a_rerun_after_a_crash_emits_the_same_ids() {
    let undisturbed = on_its_own_clock(emitted(false));
    assert_eq!(undisturbed.len(), 40);
    assert_eq!(on_its_own_clock(emitted(true)), undisturbed);
    assert_eq!(on_its_own_clock(emitted(false)), undisturbed);
}

#[actix::test]
async fn correlation_causation_time_and_trace_are_carried_from_event_to_event() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut kit = TestKit::start(program()).await;
    let root = kit.send("jobs", Job::new("ada", 0, &[]));
    let record = kit.records("jobs").pop().unwrap();
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = Headers::from_iter([("traceparent", Bytes::from(traceparent))]);
    kit.run_until_idle().await;
    // The same event under another id and with a trace.
    let text = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
    let second = "01941f29-7c00-7000-8000-000000000002";
    let value = Bytes::from(text.replace(&root.to_string(), second));
    let outgoing = Outgoing {
        topic: record.topic,
        timestamp: record.timestamp,
        key: record.key,
        value: Some(value),
        headers,
    };
    kit.transport().publish(vec![outgoing]).unwrap();
    kit.run_until_idle().await;
    let second: EventId = second.parse().unwrap();
    let more = kit.events::<Job>("more");
    let end = kit.events::<Done>("end");
    for (root, place) in [(root, 0), (second, 1)] {
        assert_eq!((more[place].meta.correlation_id, more[place].meta.causation_id), (root, Some(root)));
        assert_eq!(
            (end[place].meta.correlation_id, end[place].meta.causation_id),
            (root, Some(more[place].meta.id))
        );
        assert_eq!(
            (more[place].meta.ts, end[place].meta.ts),
            (record.timestamp.to_utc(), record.timestamp.to_utc())
        );
        assert_eq!((&*more[place].meta.source, &*end[place].meta.source), ("fork", "tail"));
    }
    let traces: Vec<_> = [&more[1].meta, &end[1].meta].iter().map(|meta| meta.trace.unwrap()).collect();
    assert!(traces.iter().all(|trace| format!("{:032x}", trace.trace_id) == TRACE && trace.flags == 1));
    assert_ne!(traces[0].span_id, traces[1].span_id, "each event has a span of its own");
}

#[actix::test]
async fn two_namespaces_share_no_topic_no_id_and_no_state() {
    let (program, _) = worker();
    let program = program.namespace(namespace("paper")).namespace(namespace("zerodha"));
    let mut kit = TestKit::start(program).await;
    // The same event in both: the same id, the same bytes.
    let id = kit.send("jobs", Job::new("ada", 0, &[]));
    let record = kit.records("jobs").pop().unwrap();
    assert_eq!(record.topic.as_str(), "paper.jobs");
    let outgoing = Outgoing {
        topic: pandaflow::TopicName::new("zerodha.jobs"),
        timestamp: record.timestamp,
        key: record.key,
        value: record.value,
        headers: record.headers,
    };
    kit.transport().publish(vec![outgoing]).unwrap();
    kit.send("jobs", Job::new("ada", 1, &[]));
    kit.run_until_idle().await;
    let of = |name: &str| {
        let value = kit.transport().records(&pandaflow::TopicName::new(name)).remove(0).value.unwrap();
        let envelope: serde_json::Value = serde_json::from_slice(&value).unwrap();
        (envelope["id"].clone(), envelope["causation_id"].clone(), envelope["broker"].clone())
    };
    let (paper, zerodha) = (of("paper.done"), of("zerodha.done"));
    assert_eq!((&paper.1, &zerodha.1), (&id.to_string().into(), &id.to_string().into()));
    assert_ne!(paper.0, zerodha.0, "what both emit because of it has ids of its own");
    assert_eq!((paper.2, zerodha.2), ("paper".into(), "zerodha".into()));
    let group = |name: &str| pandaflow::Group::new("pandaflow", &namespace(name), "worker");
    let states = |name: &str| kit.transport().all_states(&group(name));
    assert_eq!(states("paper").len(), 1);
    assert_ne!(states("paper"), states("zerodha"));
    // Neither took the other's event for a duplicate.
    assert_eq!(kit.transport().ledger(&group("paper")).succeeded, 2);
    assert_eq!(kit.transport().ledger(&group("zerodha")).succeeded, 1);
}
