//! An embedded transport in a folder, and short words for what the tests do with it.

use std::{
    future::Future,
    path::Path,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use bytes::Bytes;
use pandaflow::{
    DeadLetter, Epoch, ErrorClass, EventId, Failure, FailureKind, Group, Header, Headers, Offset, Origin,
    Outgoing, Partition, Record, Timestamp, TopicName, Tries,
    ports::{
        Acquired, Assignee, Assignment, AttemptChange, Batch, DeadLetterFilter, FailedAttempts, Mark, Owner,
        ParkChange, ParkedEvent, Settlement, StateChange, StoreError, Subscription, SubscriptionRequest,
        TopicToCreate, Transport, Unsettled,
    },
};
use pandaflow_actors::{
    testkit::contract::{effects, keyed},
    transport::embedded::{EmbeddedConfig, EmbeddedTransport, OpenError},
};

/// An open transport.
pub(crate) struct Shop {
    pub(crate) transport: EmbeddedTransport,
}

/// Runs a future to its end.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), future).await.unwrap() })
}

impl Shop {
    pub(crate) fn open(folder: &Path) -> Self {
        Self::with(folder, EmbeddedConfig::default()).unwrap()
    }

    pub(crate) fn with(folder: &Path, config: EmbeddedConfig) -> Result<Self, OpenError> {
        Ok(Self { transport: EmbeddedTransport::open(folder, config)? })
    }

    pub(crate) fn topic(&self, name: &str, partitions: u32, table: bool) -> TopicName {
        let topic = TopicName::new(name);
        let retention = Duration::from_secs(3600);
        let wanted = TopicToCreate { topic: topic.clone(), partitions, retention, table };
        block_on(self.transport.create_topics(vec![wanted])).unwrap();
        topic
    }

    pub(crate) fn acquire(&self, group: &str, partition: u32, topics: &[&TopicName]) -> Acquired {
        let topics = topics.iter().map(|topic| (*topic).clone()).collect();
        block_on(self.transport.settlement().acquire(group.into(), Partition(partition), topics)).unwrap()
    }

    pub(crate) fn settle(&self, settlement: Settlement) -> Result<(), Box<Unsettled>> {
        block_on(self.transport.settlement().settle(settlement))
    }

    /// Appends records with numbers as values.
    pub(crate) fn publish(&self, topic: &TopicName, numbers: std::ops::Range<u32>) {
        let owner = self.acquire("producer", 0, &[]).owner;
        let outputs = numbers.map(|number| keyed(topic, "k", &number.to_string())).collect();
        self.settle(Settlement { outputs, ..effects(&owner) }).unwrap();
    }

    pub(crate) fn state(&self, group: &str, key: &str) -> Option<Bytes> {
        let keys = vec![Bytes::copy_from_slice(key.as_bytes())];
        block_on(self.transport.states().load(group.into(), Partition(0), keys)).unwrap().remove(0)
    }

    /// All that a new group reads of partition 0, `count` records at most.
    pub(crate) fn read(&self, topic: &TopicName, count: usize) -> Result<Vec<Record>, StoreError> {
        let (_subscription, notices) = self.subscribe(&uuid::Uuid::now_v7().to_string(), topic);
        let mut found = Vec::new();
        while found.len() < count {
            match notices.recv_timeout(Duration::from_secs(30)).expect("records come") {
                Notice::Assigned(assignment) => assignment.demand.request(count, 1 << 40),
                Notice::Delivered(batch) => found.extend(batch.records),
                Notice::Failed(error) => return Err(error),
                _ => {}
            }
        }
        Ok(found)
    }

    pub(crate) fn subscribe(
        &self,
        group: &str,
        topic: &TopicName,
    ) -> (Arc<dyn Subscription>, mpsc::Receiver<Notice>) {
        let (sender, notices) = mpsc::channel();
        let request = SubscriptionRequest::new(Group::from(group), vec![topic.clone()]);
        let recorder = Arc::new(Recorder(Mutex::new(sender)));
        (self.transport.source().subscribe(request, recorder).unwrap(), notices)
    }

    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        let filter = DeadLetterFilter::default();
        let stored = block_on(self.transport.dead_letters().list(filter)).unwrap();
        stored.into_iter().map(|stored| stored.letter).collect()
    }

    pub(crate) fn close(self) {
        block_on(self.transport.close());
    }
}

/// What a source told.
pub(crate) enum Notice {
    Assigned(Assignment),
    Delivered(Batch),
    Revoked,
    Lost(Partition, Epoch),
    Failed(StoreError),
}

struct Recorder(Mutex<mpsc::Sender<Notice>>);

impl Recorder {
    fn note(&self, notice: Notice) {
        let _ = self.0.lock().unwrap().send(notice);
    }
}

impl Assignee for Recorder {
    fn assigned(&self, assignment: Assignment) {
        self.note(Notice::Assigned(assignment));
    }

    fn delivered(&self, batch: Batch) {
        self.note(Notice::Delivered(batch));
    }

    fn revoked(&self, _: Partition, _: Epoch, _: Box<dyn Send>) {
        self.note(Notice::Revoked);
    }

    fn lost(&self, partition: Partition, epoch: Epoch) {
        self.note(Notice::Lost(partition, epoch));
    }

    fn failed(&self, error: StoreError) {
        self.note(Notice::Failed(error));
    }
}

/// A record with every kind of header.
pub(crate) fn headed(topic: &TopicName, number: u32) -> Outgoing {
    let headers = vec![
        Header { name: Bytes::from_static(b"trace_id"), value: Some(Bytes::from_static(b"4bf92f35")) },
        Header { name: Bytes::from_static(b"null"), value: None },
        Header { name: Bytes::from_static(b"\xff"), value: Some(Bytes::new()) },
    ];
    Outgoing {
        headers: Headers::new(headers),
        ..keyed(topic, &format!("key-{}", number % 7), &number.to_string())
    }
}

/// A dead letter with bytes that are no text.
pub(crate) fn letter(topic: &TopicName) -> DeadLetter {
    let record = Record {
        topic: topic.clone(),
        partition: Partition(0),
        offset: Offset(9),
        timestamp: Timestamp(1_381_152_600_123),
        key: Some(Bytes::new()),
        value: Some(Bytes::from_static(b"\x00\xff\xc3\x28 not JSON")),
        headers: headed(topic, 1).headers,
    };
    let origin = Origin {
        group: &Group::from("g"),
        processor: "risk-manager",
        namespace: &"paper".parse().unwrap(),
        event_id: Some(event(5)),
    };
    let mut failure =
        Failure::new(FailureKind::Undecodable, ErrorClass::Poison, "Decode", "at byte 1".into());
    failure.chain = vec!["outer".into(), "inner".into()];
    let tries = Tries { attempts: 3, first_failed: Timestamp(10), last_failed: Timestamp(20) };
    DeadLetter::new(&origin, record, failure, tries)
}

pub(crate) fn event(number: u128) -> EventId {
    EventId(uuid::Uuid::from_u128(number))
}

fn parked(topic: &TopicName, number: u32) -> ParkedEvent {
    let Outgoing { topic, timestamp, key, value, headers } = headed(topic, number);
    let (partition, offset) = (Partition(0), Offset(u64::from(number) + 1));
    let record = Record { topic, partition, offset, timestamp, key, value, headers };
    let (first_failed, due) = (Some(Timestamp(6)), Some(Timestamp(4_000_000_000_000)));
    ParkedEvent { place: 9, record, attempts: 3, first_failed, due }
}

/// Effects of every kind: two outputs, a state, a mark, a dead letter, a failed attempt, a parked event, progress, a ledger.
pub(crate) fn everything(owner: &Owner, topic: &TopicName, number: u32) -> Settlement {
    Settlement {
        outputs: vec![headed(topic, number), headed(topic, number + 1000)],
        states: vec![StateChange::new(Bytes::from(format!("key-{number}")), Some(number.to_string().into()))],
        marks: vec![Mark { id: event(number.into()), expires: Timestamp(4_000_000_000_000) }],
        dead_letters: vec![letter(topic)],
        attempts: vec![AttemptChange::Failed(FailedAttempts {
            topic: topic.clone(),
            offset: Offset(number.into()),
            attempts: 2,
            first_failed: Timestamp(5),
        })],
        parking: vec![ParkChange::Parked(Box::new(parked(topic, number)))],
        progress: vec![(topic.clone(), format!("1;{number};{}-{}", number + 2, number + 4).parse().unwrap())],
        ledger: pandaflow::policy::ledger::Ledger {
            consumed: u64::from(number) + 1,
            succeeded: number.into(),
            dead_lettered: 1,
            ..Default::default()
        },
        ..effects(owner)
    }
}
