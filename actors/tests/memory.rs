//! What the memory transport has beyond the contract: rebalances and faults on order, and deliveries without a thread.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
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
    let request = SubscriptionRequest { group: group.clone(), topics: vec![topic.clone()] };
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
        let states = vec![StateChange { key: Bytes::from_static(b"k"), value }];
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
    let request = SubscriptionRequest { group: memory.group.clone(), topics: vec![memory.topic.clone()] };
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

/// Checks that it is called by one thread at a time, in order, and asks for more from within.
#[derive(Default)]
struct Strict {
    demand: Mutex<Option<Arc<dyn Demand>>>,
    calls: AtomicUsize,
    next: AtomicUsize,
}

impl Assignee for Strict {
    fn assigned(&self, assignment: Assignment) {
        assignment.demand.request(100, usize::MAX);
        *self.demand.lock().unwrap() = Some(assignment.demand);
    }

    fn delivered(&self, batch: Batch) {
        assert_eq!(self.calls.fetch_add(1, Ordering::SeqCst), 0, "two threads call at once");
        for record in &batch.records {
            assert_eq!(self.next.fetch_add(1, Ordering::SeqCst) as u64, record.offset.0);
        }
        self.demand.lock().unwrap().as_ref().unwrap().request(batch.records.len(), 0);
        self.calls.fetch_sub(1, Ordering::SeqCst);
    }

    fn revoked(&self, _: Partition, _: Epoch, _: Box<dyn Send>) {}

    fn lost(&self, _: Partition, _: Epoch) {}

    fn failed(&self, error: StoreError) {
        panic!("{error}");
    }
}

#[test]
fn threads_that_append_at_once_neither_reorder_nor_forget_deliveries() {
    let topic = TopicName::new("paper.in");
    for _ in 0..20 {
        let transport = transport(&topic, 1);
        let strict = Arc::new(Strict::default());
        let request = SubscriptionRequest { group: "g".into(), topics: vec![topic.clone()] };
        let _subscription = transport.source().subscribe(request, strict.clone()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for records in 0..60 {
                        let records = (0..records).map(|_| record(&topic, "k")).collect();
                        transport.publish(records).unwrap();
                    }
                });
            }
        });
        assert_eq!(strict.next.load(Ordering::SeqCst), 4 * (59 * 60 / 2));
    }
}

/// The lag of two groups in a chain never says "all done" while something is on its way: what one has settled,
/// the next has before it.
#[test]
fn lag_is_as_of_one_instant() {
    let (first, second) = (TopicName::new("paper.in"), TopicName::new("paper.out"));
    let memory = transport(&first, 1);
    let wanted =
        TopicToCreate { topic: second.clone(), partitions: 1, retention: Duration::ZERO, table: false };
    memory.create_topics(vec![wanted]).now_or_never().unwrap().unwrap();
    let groups: Vec<Group> = vec!["one".into(), "two".into()];
    let store = memory.settlement();
    let acquire = |group: &Group, topic: &TopicName| {
        let acquired = store.acquire(group.clone(), Partition(0), vec![topic.clone()]);
        acquired.now_or_never().unwrap().unwrap().owner
    };
    let one = acquire(&groups[0], &first);
    acquire(&groups[1], &second);
    memory.publish((0..2000).map(|_| record(&first, "k")).collect()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for next in 1..=2000 {
                let outputs = vec![record(&second, "k")];
                let progress = vec![(first.clone(), Progress::at(Offset(next)))];
                let settled = store.settle(Settlement { outputs, progress, ..effects(&one) });
                settled.now_or_never().unwrap().unwrap();
            }
        });
        let mut left = 2000;
        while left > 0 {
            let lags = memory.lag(groups.clone()).now_or_never().unwrap().unwrap();
            left = lags[0].records();
            assert_eq!(left + lags[1].records(), 2000);
        }
    });
}

/// Not a test of speed, since debug builds have none: run with `--release --ignored --nocapture` to see it.
#[test]
#[ignore = "prints a figure"]
fn what_a_record_costs() {
    const RECORDS: usize = 1_000_000;
    let topic = TopicName::new("paper.in");
    for batch in [1, 16, 256] {
        let transport = transport(&topic, 6);
        let keys: Vec<Bytes> = (0..10_000).map(|key| format!("key-{key}").into()).collect();
        let value = Bytes::from(vec![b'x'; 300]);
        let outputs: Vec<Vec<Outgoing>> = (0..RECORDS / batch)
            .map(|round| {
                (0..batch)
                    .map(|place| Outgoing {
                        key: Some(keys[(round * batch + place) % keys.len()].clone()),
                        value: Some(value.clone()),
                        ..record(&topic, "")
                    })
                    .collect()
            })
            .collect();
        let owner = transport.settlement().acquire("p".into(), Partition(0), Vec::new());
        let owner = owner.now_or_never().unwrap().unwrap().owner;
        let diary = Arc::new(Counting::default());
        let request = SubscriptionRequest { group: "g".into(), topics: vec![topic.clone()] };
        let _subscription = transport.source().subscribe(request, diary.clone()).unwrap();
        let store = transport.settlement();
        let start = Instant::now();
        for outputs in outputs {
            store.settle(Settlement { outputs, ..effects(&owner) }).now_or_never().unwrap().unwrap();
        }
        let took = start.elapsed();
        assert_eq!(diary.0.load(Ordering::Relaxed), RECORDS);
        println!("settled by {batch}, delivered: {} ns a record", took.as_nanos() / RECORDS as u128);
    }
}

#[derive(Default)]
struct Counting(AtomicUsize);

impl Assignee for Counting {
    fn assigned(&self, assignment: Assignment) {
        assignment.demand.request(usize::MAX, usize::MAX);
    }

    fn delivered(&self, batch: Batch) {
        self.0.fetch_add(batch.records.len(), Ordering::Relaxed);
    }

    fn revoked(&self, _: Partition, _: Epoch, _: Box<dyn Send>) {}

    fn lost(&self, _: Partition, _: Epoch) {}

    fn failed(&self, error: StoreError) {
        panic!("{error}");
    }
}
