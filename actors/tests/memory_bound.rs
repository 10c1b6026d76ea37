//! Memory stays bounded while a backlog of two million events is drained by a handler that is slower than its source.
//!
//! In a process of its own, since it measures the process: the peak of its resident memory. The backlog is made as it
//! is asked for, so that what is measured is the runtime and not a log.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    Context, Event, Group, Handle, Headers, Offset, Partition, Record, StreamProcessor, SystemClock,
    Timestamp, TopicName, TopicSpec,
    codec::Blob,
    policy::ledger::Ledger,
    ports::{
        Acquired, Assignee, Assignment, Batch, DeadLetterStore, DedupStore, Demand, Lag, SettlementStore,
        Source, StateStore, StoreError, Subscription, SubscriptionRequest, TableSource, TopicToCreate,
        Transport,
    },
};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig, transport::memory::MemoryTransport,
};

const EVENTS: u64 = 2_000_000;
const VALUE: usize = 300;
/// What the process may take on top of what it has at its start. The limits of the runtime are 8,192 events in flight
/// and 8 MiB; the rest is for what the allocator keeps and for the stack of futures that wait.
const BOUND_MB: u64 = 32;

/// Waits a millisecond at every 64th event, and for good at the very first: nothing before it is ever settled.
#[derive(StreamProcessor)]
#[processor(name = "slow", input(topic = "backlog", event = Blob, format = "bytes"), concurrency = 100, timeout = "10h")]
struct Slow {
    handled: Arc<AtomicUsize>,
    first: Arc<tokio::sync::Notify>,
}

impl Handle<Blob> for Slow {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, event: Event<Blob>, _: &mut Context<Self>) -> Result<(), Self::Error> {
        let no = u64::from_be_bytes(event.bytes[..8].try_into().unwrap());
        if no == 0 {
            self.first.notified().await;
        } else if no % 64 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.handled.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A memory transport whose one topic holds records that are made when they are asked for.
struct Lazy {
    memory: MemoryTransport,
    most_asked_for: Arc<AtomicUsize>,
}

struct LazyReader {
    assignee: Arc<dyn Assignee>,
    acquired: Acquired,
    state: Mutex<(u64, usize)>,
    busy: AtomicBool,
    most_asked_for: Arc<AtomicUsize>,
}

struct Asks(Arc<LazyReader>);

impl Demand for Asks {
    fn request(&self, events: usize, _: usize) {
        self.0.state.lock().unwrap().1 += events;
        self.0.pump();
    }
}

impl LazyReader {
    fn pump(&self) {
        if self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        loop {
            let (from, count) = {
                let mut state = self.state.lock().unwrap();
                let count = state.1.min(512).min(usize::try_from(EVENTS - state.0).unwrap());
                let from = state.0;
                self.most_asked_for.fetch_max(state.1, Ordering::Relaxed);
                state.0 += count as u64;
                state.1 -= count;
                (from, count)
            };
            if count == 0 {
                self.busy.store(false, Ordering::Release);
                return;
            }
            let records = (from..from + count as u64).map(|no| self.record(no)).collect();
            let owner = &self.acquired.owner;
            let batch = Batch { epoch: owner.epoch, partition: owner.partition, input: 0, records };
            self.assignee.delivered(batch);
        }
    }

    fn record(&self, no: u64) -> Record {
        let mut value = vec![0; VALUE];
        value[..8].copy_from_slice(&no.to_be_bytes());
        Record {
            topic: self.acquired.progress[0].0.clone(),
            partition: Partition(0),
            offset: Offset(no),
            timestamp: Timestamp(0),
            key: Some(Bytes::from(format!("k{}", no % 10_000))),
            value: Some(value.into()),
            headers: Headers::default(),
        }
    }
}

struct Nothing;

impl Subscription for Nothing {
    fn restart(&self, _: Partition) -> BoxFuture<'static, Result<(), StoreError>> {
        std::future::ready(Ok(())).boxed()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

struct LazySource(MemoryTransport, Arc<AtomicUsize>);

impl Source for LazySource {
    fn subscribe(
        &self,
        request: SubscriptionRequest,
        assignee: Arc<dyn Assignee>,
    ) -> Result<Arc<dyn Subscription>, StoreError> {
        let acquired = self.0.settlement().acquire(request.group, Partition(0), request.topics);
        let acquired = acquired.now_or_never().unwrap()?;
        let reader = Arc::new(LazyReader {
            assignee: assignee.clone(),
            acquired: acquired.clone(),
            state: Mutex::new((0, 0)),
            busy: AtomicBool::new(false),
            most_asked_for: self.1.clone(),
        });
        assignee.assigned(Assignment { acquired, demand: Arc::new(Asks(reader)) });
        Ok(Arc::new(Nothing))
    }
}

impl Transport for Lazy {
    fn create_topics(&self, topics: Vec<TopicToCreate>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.memory.create_topics(topics)
    }
    fn source(&self) -> Arc<dyn Source> {
        Arc::new(LazySource(self.memory.clone(), self.most_asked_for.clone()))
    }
    fn settlement(&self) -> Arc<dyn SettlementStore> {
        self.memory.settlement()
    }
    fn states(&self) -> Arc<dyn StateStore> {
        self.memory.states()
    }
    fn dedup(&self) -> Arc<dyn DedupStore> {
        self.memory.dedup()
    }
    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        Transport::dead_letters(&self.memory)
    }
    fn tables(&self) -> Arc<dyn TableSource> {
        self.memory.tables()
    }
    fn lag(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Lag>, StoreError>> {
        self.memory.lag(groups)
    }
    fn ledgers(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<(Group, Ledger)>, StoreError>> {
        self.memory.ledgers(groups)
    }
    fn close(&self) -> BoxFuture<'static, ()> {
        self.memory.close()
    }
}

/// The highest that the process's resident memory has been, in MiB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let fields: HashMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    fields["VmHWM"].trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[actix::test]
async fn memory_stays_bounded_while_two_million_events_are_drained_and_the_first_of_them_waits() {
    tokio::time::pause();
    let handled = Arc::new(AtomicUsize::new(0));
    let first = Arc::new(tokio::sync::Notify::new());
    let most_asked_for = Arc::new(AtomicUsize::new(0));
    let (count, notify) = (handled.clone(), first.clone());
    let program = Program::new()
        .namespace("paper".parse().unwrap())
        .topic(TopicSpec::new("backlog").partitions(1))
        .processor(move || Slow { handled: count.clone(), first: notify.clone() });
    let memory = MemoryTransport::new(Arc::new(SystemClock));
    let services = Services::start(&memory, ServicesConfig::default());
    let config = RuntimeConfig { arbiters: 0, blocked_arbiter_after: None, ..RuntimeConfig::default() };
    let transport = Arc::new(Lazy { memory: memory.clone(), most_asked_for: most_asked_for.clone() });
    let runtime =
        Runtime::start(&program, transport, services, Arc::new(SystemClock), config, slog_scope::logger());
    let _runtime = runtime.await.unwrap();
    let before = peak_mb();
    // What shares the first one's lane waits behind it: some keys of ten thousand.
    while handled.load(Ordering::Relaxed) < usize::try_from(EVENTS - EVENTS / 100).unwrap() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.notify_one();
    let group = program.group("slow", &program.namespaces()[0]);
    while memory.ledger(&group).succeeded < EVENTS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let topic = TopicName::new("paper.backlog");
    assert_eq!(memory.progress(&group, &topic, Partition(0)).to_string(), format!("1;{EVENTS};"));
    let taken = peak_mb() - before;
    println!("peak above the start: {taken} MiB; bound: {BOUND_MB} MiB");
    assert!(most_asked_for.load(Ordering::Relaxed) <= 8_192);
    assert!(taken <= BOUND_MB, "{taken} MiB, over the bound of {BOUND_MB} MiB");
}
