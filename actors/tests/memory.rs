//! What the memory transport has beyond the contract: deliveries without a thread, rebalances and
//! faults on order.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use pandaflow::{
    DeadLetter, Epoch, ErrorClass, EventId, Failure, FailureKind, Group, Headers, Offset, Origin, Outgoing,
    Partition, SystemClock, Timestamp, TopicName, Tries,
    policy::watermark::Progress,
    ports::{
        Acquired, Assignee, Assignment, Batch, Claim, Demand, SettleErrorKind, Settlement, StateChange,
        StoreError, Subscription, SubscriptionRequest, TopicToCreate, Transport, Verdict,
    },
};
use pandaflow_actors::{testkit::contract::effects, transport::memory::MemoryTransport};

/// Notes what it is told, in text.
#[derive(Default)]
struct Diary {
    lines: Mutex<Vec<String>>,
    demands: Mutex<Vec<Arc<dyn Demand>>>,
    acquired: Mutex<Vec<Acquired>>,
    tokens: Mutex<Vec<Box<dyn Send>>>,
}

impl Diary {
    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }

    fn demand(&self) -> Arc<dyn Demand> {
        self.demands.lock().unwrap().last().unwrap().clone()
    }

    fn acquired(&self) -> Acquired {
        self.acquired.lock().unwrap().last().unwrap().clone()
    }
}

impl Assignee for Diary {
    fn assigned(&self, Assignment { acquired, demand }: Assignment) {
        self.note(format!("assigned {} epoch {}", acquired.owner.partition, acquired.owner.epoch));
        self.demands.lock().unwrap().push(demand);
        self.acquired.lock().unwrap().push(acquired);
    }

    fn delivered(&self, batch: Batch) {
        let offsets: Vec<_> = batch.records.iter().map(|record| record.offset.0).collect();
        self.note(format!("delivered {offsets:?} epoch {}", batch.epoch));
    }

    fn revoked(&self, partition: Partition, epoch: Epoch, released: Box<dyn Send>) {
        self.note(format!("revoked {partition} epoch {epoch}"));
        self.tokens.lock().unwrap().push(released);
    }

    fn lost(&self, partition: Partition, epoch: Epoch) {
        self.note(format!("lost {partition} epoch {epoch}"));
    }

    fn failed(&self, error: StoreError) {
        panic!("{error}");
    }
}

struct Memory {
    transport: MemoryTransport,
    topic: TopicName,
    group: Group,
    diary: Arc<Diary>,
    subscription: Arc<dyn Subscription>,
}

fn transport(topic: &TopicName, partitions: u32) -> MemoryTransport {
    let transport = MemoryTransport::new(Arc::new(SystemClock));
    let wanted =
        TopicToCreate { topic: topic.clone(), partitions, retention: Duration::from_secs(1), table: false };
    transport.create_topics(vec![wanted]).now_or_never().unwrap().unwrap();
    transport
}

fn memory() -> Memory {
    let (topic, group) = (TopicName::new("paper.in"), Group::from("g"));
    let transport = transport(&topic, 1);
    let diary = Arc::new(Diary::default());
    let request = SubscriptionRequest::new(group.clone(), vec![topic.clone()]);
    let subscription = transport.source().subscribe(request, diary.clone()).unwrap();
    Memory { transport, topic, group, diary, subscription }
}

fn record(topic: &TopicName, key: &str) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        timestamp: Timestamp(0),
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::from_static(b"v")),
        headers: Headers::default(),
    }
}

impl Memory {
    fn publish(&self, records: usize) {
        self.transport.publish((0..records).map(|_| record(&self.topic, "k")).collect()).unwrap();
    }

    fn write(&self, state: &str) -> Settlement {
        let value = Some(Bytes::copy_from_slice(state.as_bytes()));
        let states = vec![StateChange::new(Bytes::from_static(b"k"), value)];
        Settlement { states, ..effects(&self.diary.acquired().owner) }
    }

    fn settle(&self, settlement: &Settlement) -> Result<(), SettleErrorKind> {
        let settled = self.transport.settlement().settle(settlement.clone());
        settled.now_or_never().unwrap().map_err(|unsettled| unsettled.error.kind)
    }

    fn state(&self) -> Option<Bytes> {
        self.transport.state(&self.group, b"k")
    }
}

#[test]
fn deliveries_are_made_on_the_calling_thread_before_the_call_returns() {
    let memory = memory();
    assert_eq!(memory.diary.take(), ["assigned 0 epoch 1"]);
    memory.publish(3);
    assert_eq!(memory.diary.take(), Vec::<String>::new());
    memory.diary.demand().request(4, 1000);
    assert_eq!(memory.diary.take(), ["delivered [0, 1, 2] epoch 1"]);
    memory.publish(2);
    assert_eq!(memory.diary.take(), ["delivered [3] epoch 1"]);
    let output = Settlement { outputs: vec![record(&memory.topic, "k")], ..memory.write("s") };
    memory.diary.demand().request(9, 1000);
    assert_eq!(memory.diary.take(), ["delivered [4] epoch 1"]);
    memory.settle(&output).unwrap();
    assert_eq!(memory.diary.take(), ["delivered [5] epoch 1"]);
    let offset = memory.transport.append_raw(Partition(0), record(&memory.topic, "k")).unwrap();
    assert_eq!((offset, memory.diary.take()), (Offset(6), vec!["delivered [6] epoch 1".into()]));
    assert!(memory.transport.append_raw(Partition(1), record(&memory.topic, "k")).is_err());
    assert!(memory.transport.publish(vec![record(&TopicName::new("missing"), "k")]).is_err());
}

#[test]
fn a_revoked_partition_drains_and_comes_back_in_a_new_epoch() {
    let memory = memory();
    memory.diary.demand().request(100, 1000);
    memory.publish(1);
    memory.transport.revoke(&memory.group, Partition(0));
    memory.transport.revoke(&memory.group, Partition(0));
    memory.publish(1);
    assert_eq!(memory.diary.take(), ["assigned 0 epoch 1", "delivered [0] epoch 1", "revoked 0 epoch 1"]);
    let progress = vec![(memory.topic.clone(), Progress::at(Offset(1)))];
    memory.settle(&Settlement { progress, ..memory.write("drained") }).unwrap();
    memory.diary.tokens.lock().unwrap().clear();
    assert_eq!(memory.settle(&memory.write("late")), Err(SettleErrorKind::Fenced));
    assert_eq!(memory.state().unwrap(), "drained");
    assert_eq!(
        memory.transport.progress(&memory.group, &memory.topic, Partition(0)),
        Progress::at(Offset(1))
    );

    memory.transport.assign_again(&memory.group, Partition(0));
    memory.diary.demand().request(100, 1000);
    assert_eq!(memory.diary.take(), ["assigned 0 epoch 2", "delivered [1] epoch 2"]);
}

#[test]
fn a_lost_partition_is_fenced_at_once_even_while_it_drains() {
    let memory = memory();
    memory.transport.lose(&memory.group, Partition(0));
    assert_eq!(memory.settle(&memory.write("late")), Err(SettleErrorKind::Fenced));
    memory.transport.assign_again(&memory.group, Partition(0));
    memory.transport.revoke(&memory.group, Partition(0));
    memory.transport.lose(&memory.group, Partition(0));
    assert_eq!(memory.settle(&memory.write("late")), Err(SettleErrorKind::Fenced));
    memory.transport.assign_again(&memory.group, Partition(0));
    // The token of the epoch before says nothing about this one.
    memory.diary.tokens.lock().unwrap().clear();
    memory.settle(&memory.write("in time")).unwrap();
    assert_eq!(
        memory.diary.take(),
        [
            "assigned 0 epoch 1",
            "lost 0 epoch 1",
            "assigned 0 epoch 2",
            "revoked 0 epoch 2",
            "lost 0 epoch 2",
            "assigned 0 epoch 3"
        ]
    );
    assert!(memory.subscription.close().now_or_never().is_none());
    memory.diary.tokens.lock().unwrap().clear();
    assert!(memory.subscription.close().now_or_never().is_some());
}

#[test]
fn a_new_subscription_of_a_group_takes_over() {
    let memory = memory();
    let second = Arc::new(Diary::default());
    let request = SubscriptionRequest::new(memory.group.clone(), vec![memory.topic.clone()]);
    let _subscription = memory.transport.source().subscribe(request, second.clone()).unwrap();
    assert_eq!(memory.diary.take(), ["assigned 0 epoch 1", "lost 0 epoch 1"]);
    assert_eq!(second.take(), ["assigned 0 epoch 2"]);
}

#[test]
fn after_a_failed_settlement_later_ones_fail_until_it_has_been_tried_again() {
    let memory = memory();
    memory.transport.faults().fail_settlements(2, SettleErrorKind::Retry);
    let (first, second) = (memory.write("first"), memory.write("second"));
    assert_eq!(memory.settle(&first), Err(SettleErrorKind::Retry));
    assert_eq!(memory.settle(&second), Err(SettleErrorKind::Retry));
    assert_eq!(memory.settle(&first), Err(SettleErrorKind::Retry));
    assert_eq!(memory.state(), None);
    assert_eq!(memory.settle(&second), Err(SettleErrorKind::Retry));
    memory.settle(&first).unwrap();
    memory.settle(&second).unwrap();
    assert_eq!(memory.state().unwrap(), "second");
}

#[test]
fn a_refusal_holds_back_what_was_called_before_it_was_read() {
    let memory = memory();
    memory.transport.faults().fail_settlements(1, SettleErrorKind::Refused);
    let store = memory.transport.settlement();
    let refused = store.settle(memory.write("first"));
    let behind = store.settle(memory.write("second"));
    let refused = refused.now_or_never().unwrap().unwrap_err();
    assert_eq!(refused.error.kind, SettleErrorKind::Refused);
    assert_eq!(behind.now_or_never().unwrap().unwrap_err().error.kind, SettleErrorKind::Retry);
    assert_eq!(memory.state(), None);
    memory.settle(&memory.write("third")).unwrap();
    assert_eq!(memory.state().unwrap(), "third");
}

#[test]
fn held_settlements_become_real_in_order_when_they_are_released() {
    let memory = memory();
    let faults = memory.transport.faults();
    faults.hold_settlements();
    let store = memory.transport.settlement();
    let mut calls = ["1", "2"].map(|state| store.settle(memory.write(state)));
    assert!(calls.iter_mut().all(|call| call.now_or_never().is_none()));
    assert_eq!((faults.held_settlements(), memory.state()), (2, None));
    faults.release_settlements();
    for call in calls {
        call.now_or_never().unwrap().unwrap();
    }
    assert_eq!(memory.state().unwrap(), "2");
    memory.settle(&memory.write("3")).unwrap();
}

#[test]
fn a_settlement_held_over_a_new_assignment_is_fenced() {
    let memory = memory();
    memory.transport.faults().hold_settlements();
    let held = memory.transport.settlement().settle(memory.write("late"));
    memory.transport.assign_again(&memory.group, Partition(0));
    memory.transport.faults().release_settlements();
    assert_eq!(held.now_or_never().unwrap().unwrap_err().error.kind, SettleErrorKind::Fenced);
    assert_eq!(memory.state(), None);
}

#[test]
fn stores_fail_and_hang_on_order() {
    let memory = memory();
    let faults = memory.transport.faults();
    let owner = memory.diary.acquired().owner;
    let claim = || {
        memory.transport.dedup().claim(Claim {
            owner: owner.clone(),
            ids: vec![EventId(uuid::Uuid::from_u128(1))],
            now: Timestamp(0),
            lease: Duration::from_secs(1),
        })
    };
    let load = || memory.transport.states().load(memory.group.clone(), Partition(0), vec![Bytes::new()]);
    let file = || Transport::dead_letters(&memory.transport).file(letter(&memory));

    faults.dedup().fail(1);
    faults.states().fail(usize::MAX);
    assert!(claim().now_or_never().unwrap().is_err());
    assert!(load().now_or_never().unwrap().is_err());
    assert!(load().now_or_never().unwrap().is_err());
    faults.states().fail(0);
    assert_eq!(load().now_or_never().unwrap(), Ok(vec![None]));
    faults.dead_letters().hang();
    faults.dedup().hang();
    let (mut claimed, mut filed) = (claim(), file());
    assert!((&mut claimed).now_or_never().is_none() && (&mut filed).now_or_never().is_none());
    faults.dead_letters().release();
    faults.dedup().release();
    assert_eq!(claimed.now_or_never().unwrap(), Ok(vec![Verdict::Fresh]));
    assert!(filed.now_or_never().unwrap().is_ok());
}

fn letter(memory: &Memory) -> DeadLetter {
    let origin =
        Origin { group: &memory.group, processor: "p", namespace: &"paper".parse().unwrap(), event_id: None };
    memory.publish(1);
    let record = memory.transport.records(&memory.topic).remove(0);
    let failure = Failure::new(FailureKind::Error, ErrorClass::Poison, "E", "no".into());
    let tries = Tries { attempts: 1, first_failed: Timestamp(0), last_failed: Timestamp(0) };
    DeadLetter::new(&origin, record, failure, tries)
}
