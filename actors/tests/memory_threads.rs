//! The memory transport under several threads at once, and what a record costs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use pandaflow::{
    Epoch, Group, Headers, Offset, Outgoing, Partition, SystemClock, Timestamp, TopicName,
    policy::watermark::Progress,
    ports::{
        Assignee, Assignment, Batch, Demand, Settlement, StoreError, SubscriptionRequest, TopicToCreate,
        Transport,
    },
};
use pandaflow_actors::{testkit::contract::effects, transport::memory::MemoryTransport};

fn transport(topic: &TopicName, partitions: u32) -> MemoryTransport {
    let transport = MemoryTransport::new(Arc::new(SystemClock));
    let wanted =
        TopicToCreate { topic: topic.clone(), partitions, retention: Duration::from_secs(1), table: false };
    transport.create_topics(vec![wanted]).now_or_never().unwrap().unwrap();
    transport
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
        let request = SubscriptionRequest::new("g".into(), vec![topic.clone()]);
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
    const RECORDS: usize = 20_000;
    for batch in [1, 16, 250] {
        let mut costs = [Duration::ZERO; 3];
        for _ in 0..50 {
            let (append, read) = append_then_read(RECORDS, batch);
            costs[0] += append;
            costs[1] += read;
            costs[2] += append_to_a_reader(RECORDS, batch);
        }
        let [append, read, both] = costs.map(|cost| cost.as_nanos() / (50 * RECORDS as u128));
        println!(
            "settled by {batch}: {append} ns to append, {read} to read a backlog, {both} to append and deliver"
        );
    }
}

/// Settlements with records of 300 bytes under 10,000 keys.
fn settlements(
    transport: &MemoryTransport,
    topic: &TopicName,
    records: usize,
    batch: usize,
) -> Vec<Settlement> {
    let keys: Vec<Bytes> = (0..10_000).map(|key| Bytes::from(format!("key-{key:06} ")).slice(..10)).collect();
    let value = Bytes::from(vec![b'x'; 301]).slice(..300);
    let owner = transport.settlement().acquire("p".into(), Partition(0), Vec::new());
    let owner = owner.now_or_never().unwrap().unwrap().owner;
    let output = |number: usize| Outgoing {
        key: Some(keys[number % keys.len()].clone()),
        value: Some(value.clone()),
        ..record(topic, "")
    };
    let settlement = |round| {
        let outputs = (0..batch).map(|place| output(round * batch + place)).collect();
        Settlement { outputs, ..effects(&owner) }
    };
    (0..records / batch).map(settlement).collect()
}

fn append_then_read(records: usize, batch: usize) -> (Duration, Duration) {
    let topic = TopicName::new("paper.in");
    let transport = transport(&topic, 6);
    let settlements = settlements(&transport, &topic, records, batch);
    let store = transport.settlement();
    let start = cpu_time();
    for settlement in settlements {
        store.settle(settlement).now_or_never().unwrap().unwrap();
    }
    let appended = cpu_time();
    assert_eq!(delivered_by(&transport, &topic, || ()), records);
    (appended - start, cpu_time() - appended)
}

fn append_to_a_reader(records: usize, batch: usize) -> Duration {
    let topic = TopicName::new("paper.in");
    let transport = transport(&topic, 6);
    let settlements = settlements(&transport, &topic, records, batch);
    let store = transport.settlement();
    let mut took = Duration::ZERO;
    let delivered = delivered_by(&transport, &topic, || {
        let start = cpu_time();
        for settlement in settlements {
            store.settle(settlement).now_or_never().unwrap().unwrap();
        }
        took = cpu_time() - start;
    });
    assert_eq!(delivered, records);
    took
}

/// How many records a subscription gets that is open while `work` is done.
fn delivered_by(transport: &MemoryTransport, topic: &TopicName, work: impl FnOnce()) -> usize {
    let counting = Arc::new(Counting::default());
    let request = SubscriptionRequest::new("g".into(), vec![topic.clone()]);
    let _subscription = transport.source().subscribe(request, counting.clone()).unwrap();
    work();
    counting.0.load(Ordering::Relaxed)
}

/// How long this thread has run: other processes on the machine don't count.
fn cpu_time() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("this figure is taken on Linux");
    Duration::from_nanos(told.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap())
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
