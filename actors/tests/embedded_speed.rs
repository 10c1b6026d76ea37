//! How fast the embedded writer is beside a bare diesel loop that writes the same rows. Run it by hand:
//! `cargo test --release -p pandaflow-actors --test embedded_speed -- --ignored --nocapture`.
#![cfg(feature = "embedded")]
#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]
#![allow(missing_docs, reason = "diesel's tables have none")]

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use diesel::{connection::SimpleConnection, prelude::*, replace_into};
use pandaflow::{
    Epoch, Headers, Offset, Outgoing, Partition, Timestamp, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{
        Assignee, Assignment, Batch, Demand, Owner, Settlement, StateChange, StoreError, SubscriptionRequest,
        TopicToCreate, Transport,
    },
};
use pandaflow_actors::transport::embedded::{EmbeddedConfig, EmbeddedTransport};

diesel::table! {
    log (id) {
        id -> BigInt,
        appended_ms -> BigInt,
        timestamp_ms -> BigInt,
        crc -> BigInt,
        key -> Nullable<Binary>,
        value -> Nullable<Binary>,
        headers -> Nullable<Binary>,
    }
}

diesel::table! {
    state (group_id, key) {
        group_id -> Integer,
        key -> Binary,
        crc -> BigInt,
        value -> Binary,
    }
}

diesel::table! {
    progress (group_id, part, topic_id) {
        group_id -> Integer,
        part -> BigInt,
        topic_id -> Integer,
        settled -> Text,
        crc -> BigInt,
    }
}

const EVENTS: u64 = 300_000;
const KEYS: u64 = 10_000;
const PARTITIONS: u32 = 12;

fn key(event: u64) -> String {
    format!("instrument-{:05}", event.wrapping_mul(7919) % KEYS)
}

fn record_value() -> Bytes {
    (0..300_u32).map(|n| (n % 94 + 32) as u8).collect::<Vec<_>>().into()
}

fn state_value() -> Bytes {
    Bytes::from(vec![b's'; 100])
}

async fn open(folder: &Path) -> Arc<EmbeddedTransport> {
    let transport = EmbeddedTransport::open(folder, EmbeddedConfig::default()).unwrap();
    let topic = TopicToCreate {
        topic: TopicName::new("out"),
        partitions: PARTITIONS,
        retention: Duration::from_secs(3600),
        table: false,
    };
    transport.create_topics(vec![topic]).await.unwrap();
    Arc::new(transport)
}

/// Events a second, by the wall clock and by CPU time, which a busy machine changes less.
#[derive(Clone, Copy)]
struct Rate {
    wall: f64,
    cpu: f64,
}

struct Meter {
    began: Instant,
    cpu: f64,
}

impl Meter {
    fn start() -> Self {
        Self { began: Instant::now(), cpu: cpu_seconds() }
    }

    fn end(self) -> Rate {
        let events = EVENTS as f64;
        Rate { wall: events / self.began.elapsed().as_secs_f64(), cpu: events / (cpu_seconds() - self.cpu) }
    }
}

/// User and system time of this process, from Linux; a hundredth of a second is its unit.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().unwrap_or_default() / 100.0).sum()
}

fn bare_event(
    connection: &mut SqliteConnection,
    id: i64,
    key: &[u8],
    value: &[u8],
    changed: Option<&Bytes>,
) -> QueryResult<()> {
    let row = (
        log::id.eq(id),
        log::appended_ms.eq(1_700_000_000_000),
        log::timestamp_ms.eq(1_700_000_000_000),
        log::crc.eq(4_000_000_000),
        log::key.eq(Some(key)),
        log::value.eq(Some(value)),
        log::headers.eq(None::<&[u8]>),
    );
    diesel::insert_into(log::table).values(row).execute(connection)?;
    if let Some(changed) = changed {
        let row = (
            state::group_id.eq(1),
            state::key.eq(key),
            state::crc.eq(4_000_000_000),
            state::value.eq(&changed[..]),
        );
        replace_into(state::table).values(row).execute(connection)?;
    }
    Ok(())
}

/// One log row and one state row an event, and the progress of a partition, in transactions of `size` events.
fn bare(folder: &Path, size: u64, with_state: bool) -> Rate {
    let mut connection = SqliteConnection::establish(folder.join("pandaflow.db").to_str().unwrap()).unwrap();
    connection
        .batch_execute(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;
             PRAGMA cache_size = -65536;",
        )
        .unwrap();
    let (record, changed) = (record_value(), state_value());
    let mut next = [0_i64; PARTITIONS as usize];
    let meter = Meter::start();
    for first in (0..EVENTS).step_by(size as usize) {
        connection
            .immediate_transaction(|connection| {
                let part = (first / size) % u64::from(PARTITIONS);
                for event in first..first + size {
                    let key = key(event);
                    let stream = pandaflow::partition_of(Some(key.as_bytes()), PARTITIONS).0 as usize;
                    let id = ((stream as i64 + 1) << 40) | next[stream];
                    next[stream] += 1;
                    bare_event(connection, id, key.as_bytes(), &record, with_state.then_some(&changed))?;
                }
                replace_into(progress::table)
                    .values((
                        progress::group_id.eq(1),
                        progress::part.eq(part as i64),
                        progress::topic_id.eq(1),
                        progress::settled.eq(format!("1;{first};")),
                        progress::crc.eq(4_000_000_000),
                    ))
                    .execute(connection)
            })
            .unwrap();
    }
    meter.end()
}

/// The same rows by settlements of 12 owners, each with `ahead` settlements on their way.
async fn transport(transport: &EmbeddedTransport, size: u64, with_state: bool, ahead: usize) -> Rate {
    let topic = TopicName::new("out");
    let (record, changed) = (record_value(), state_value());
    let store = transport.settlement();
    let mut owners = Vec::new();
    for partition in 0..PARTITIONS {
        let acquired = store.acquire("g".into(), Partition(partition), vec![topic.clone()]).await.unwrap();
        owners.push(acquired.owner);
    }
    let settlement = |owner: &Owner, first: u64| {
        let keys: Vec<Bytes> = (first..first + size).map(|event| key(event).into()).collect();
        let outgoing = |key: &Bytes| Outgoing {
            topic: topic.clone(),
            timestamp: Timestamp(1_700_000_000_000),
            key: Some(key.clone()),
            value: Some(record.clone()),
            headers: Headers::default(),
        };
        let outputs = keys.iter().map(outgoing).collect();
        let change = |key: Bytes| StateChange::new(key, Some(changed.clone()));
        Settlement {
            outputs,
            states: if with_state { keys.into_iter().map(change).collect() } else { Vec::new() },
            progress: vec![(topic.clone(), Progress::at(Offset(first)))],
            ledger: Ledger { consumed: first, succeeded: first, ..Ledger::default() },
            ..Settlement::empty(owner.clone())
        }
    };
    let meter = Meter::start();
    let mut on_their_way = std::collections::VecDeque::new();
    for (round, first) in (0..EVENTS).step_by(size as usize).enumerate() {
        on_their_way.push_back(store.settle(settlement(&owners[round % owners.len()], first)));
        if on_their_way.len() >= ahead * owners.len() {
            on_their_way.pop_front().unwrap().await.unwrap();
        }
    }
    for settled in on_their_way {
        settled.await.unwrap();
    }
    meter.end()
}

/// Delivers the whole log to one subscription.
struct Counter {
    demand: Mutex<Vec<Arc<dyn Demand>>>,
    seen: AtomicU64,
    all: mpsc::Sender<()>,
}

impl Assignee for Counter {
    fn assigned(&self, assignment: Assignment) {
        assignment.demand.request(4096, 16 << 20);
        self.demand.lock().unwrap().push(assignment.demand);
    }

    fn delivered(&self, batch: Batch) {
        let bytes = batch.records.iter().map(pandaflow::Record::size).sum();
        let events = batch.records.len();
        self.demand.lock().unwrap()[batch.partition.0 as usize].request(events, bytes);
        if self.seen.fetch_add(events as u64, Ordering::SeqCst) + events as u64 == EVENTS {
            self.all.send(()).unwrap();
        }
    }

    fn revoked(&self, _: Partition, _: Epoch, _: Box<dyn Send>) {}
    fn lost(&self, _: Partition, _: Epoch) {}
    fn failed(&self, error: StoreError) {
        panic!("{error}");
    }
}

fn read(transport: &EmbeddedTransport) -> Rate {
    let (all, done) = mpsc::channel();
    let counter = Arc::new(Counter { demand: Mutex::default(), seen: AtomicU64::new(0), all });
    let request = SubscriptionRequest::new("reader".into(), vec![TopicName::new("out")]);
    let meter = Meter::start();
    let _subscription = transport.source().subscribe(request, counter).unwrap();
    done.recv().unwrap();
    meter.end()
}

#[test]
#[ignore = "takes a minute, and only an optimised build tells something"]
fn the_writer_keeps_up_with_a_bare_loop() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    println!("events/s by the wall clock (by CPU time), one log row an event, with one state row more");
    for with_state in [false, true] {
        for size in [100, 500, 1000] {
            let folder = tempfile::tempdir().unwrap();
            runtime.block_on(async { open(folder.path()).await.close().await });
            let bare = bare(folder.path(), size, with_state);
            let folder = tempfile::tempdir().unwrap();
            let (writer, reader) = runtime.block_on(async {
                let opened = open(folder.path()).await;
                let writer = transport(&opened, size, with_state, 2).await;
                let reader = read(&opened);
                opened.close().await;
                (writer, reader)
            });
            let bytes = std::fs::metadata(folder.path().join("pandaflow.db")).unwrap().len();
            let began = Instant::now();
            drop(EmbeddedTransport::open(folder.path(), EmbeddedConfig::default()).unwrap());
            println!(
                "state {with_state}, {size} a settlement: bare {:.0} ({:.0}), writer {:.0} ({:.0}), {:.2} x ({:.2} x), source {:.0} ({:.0}), open {} MB {:?}",
                bare.wall,
                bare.cpu,
                writer.wall,
                writer.cpu,
                writer.wall / bare.wall,
                writer.cpu / bare.cpu,
                reader.wall,
                reader.cpu,
                bytes >> 20,
                began.elapsed(),
            );
        }
    }
}
