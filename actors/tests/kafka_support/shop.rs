//! A processor that counts payments per account, and members of its group that run it on a broker.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use pandaflow::{
    Context, Event, EventId, Group, Handle, Outgoing, Partition, StreamProcessor, SystemClock, Timestamp,
    TopicName, TopicSpec,
    codec::{Decode, EnvelopeFormat},
    policy::ledger::Ledger,
    ports::{Owner, SettleErrorKind, Settlement, Transport},
};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig,
    transport::kafka::{KafkaConfig, KafkaTransport},
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub(crate) const PARTITIONS: u32 = 4;
const ACCOUNTS: u64 = 40;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "payment", version = 1, key = "{account}")]
pub(crate) struct Payment {
    pub(crate) account: String,
    /// Counts up from 1 per account.
    pub(crate) number: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(type = "receipt", version = 1, key = "{account}")]
pub(crate) struct Receipt {
    account: String,
    number: u64,
    handled: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) handled: u64,
    /// Payments that did not follow the one before.
    pub(crate) out_of_order: u64,
    last: u64,
}

/// What was handled: account and number, as it came.
pub(crate) type Journal = Arc<Mutex<Vec<(String, u64)>>>;

#[derive(StreamProcessor)]
#[processor(
    name = "counter",
    input(topic = "payments", event = Payment),
    output(topic = "receipts", event = Receipt),
    state = Count,
)]
pub(crate) struct Counter(Journal);

impl Handle<Payment> for Counter {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, payment: Event<Payment>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        note(&self.0, &payment);
        let receipt = ctx.state_mut().book(&payment);
        ctx.emit(receipt);
        Ok(())
    }
}

/// The same, and it says that it is to be exactly once.
#[derive(StreamProcessor)]
#[processor(
    name = "counter",
    input(topic = "payments", event = Payment),
    output(topic = "receipts", event = Receipt),
    state = Count,
    guarantee = "exactly-once",
)]
pub(crate) struct DeclaredCounter(Journal);

impl Handle<Payment> for DeclaredCounter {
    type Error = std::convert::Infallible;

    async fn handle(&mut self, payment: Event<Payment>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
        note(&self.0, &payment);
        let receipt = ctx.state_mut().book(&payment);
        ctx.emit(receipt);
        Ok(())
    }
}

fn note(journal: &Journal, payment: &Payment) {
    let mut journal = journal.lock().expect("nothing panics under this lock");
    journal.push((payment.account.clone(), payment.number));
}

impl Count {
    fn book(&mut self, payment: &Payment) -> Receipt {
        self.handled += 1;
        self.out_of_order += u64::from(payment.number != self.last + 1);
        self.last = payment.number;
        Receipt { account: payment.account.clone(), number: payment.number, handled: self.handled }
    }
}

pub(crate) fn program(journal: &Journal) -> Program {
    let journal = Arc::clone(journal);
    surroundings().processor(move || Counter(Arc::clone(&journal)))
}

fn declared_program(journal: &Journal) -> Program {
    let journal = Arc::clone(journal);
    surroundings().processor(move || DeclaredCounter(Arc::clone(&journal)))
}

fn surroundings() -> Program {
    ["payments", "receipts"]
        .into_iter()
        .fold(Program::new(), |program, topic| program.topic(TopicSpec::new(topic).partitions(PARTITIONS)))
        .namespace("paper".parse().expect("it is a namespace"))
}

pub(crate) fn group() -> Group {
    Group::from("pandaflow.paper.counter")
}

/// A member of the group, on a thread of its own, until it is told to leave.
pub(crate) struct Member {
    leave: oneshot::Sender<()>,
    thread: JoinHandle<bool>,
}

impl Member {
    /// Starts one, and waits until it runs.
    pub(crate) fn start(config: &KafkaConfig, journal: &Journal) -> Self {
        Self::start_with(config, journal, program)
    }

    /// Starts one whose processor says its guarantee by itself.
    pub(crate) fn start_declared(config: &KafkaConfig, journal: &Journal) -> Self {
        Self::start_with(config, journal, declared_program)
    }

    fn start_with(config: &KafkaConfig, journal: &Journal, program: fn(&Journal) -> Program) -> Self {
        let (leave, left) = oneshot::channel();
        let (config, journal) = (config.clone(), Arc::clone(journal));
        let (tell, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let runtime = run(&program(&journal), super::transport(&config)).await;
                tell.send(()).expect("the test waits");
                let _ = left.await;
                let drained = runtime.drain(Duration::from_secs(20)).await;
                runtime.end().await && drained
            })
        });
        started.recv().expect("it starts");
        Self { leave, thread }
    }

    /// Drains and leaves; whether it did in time.
    pub(crate) fn leave(self) -> bool {
        let _ = self.leave.send(());
        self.thread.join().expect("it doesn't panic")
    }
}

async fn run(program: &Program, transport: Arc<KafkaTransport>) -> Runtime {
    let services = Services::start(&*transport, ServicesConfig::default());
    let config = RuntimeConfig { arbiters: 1, settle_events: 50, ..RuntimeConfig::default() };
    let log = slog::Logger::root(slog::Discard, slog::o!());
    Runtime::start(program, transport, services, Arc::new(SystemClock), config, log)
        .await
        .expect("it starts on the broker")
}

/// What looks at the group from outside.
pub(crate) struct Shop {
    pub(crate) transport: Arc<KafkaTransport>,
    feed: Owner,
    published: u64,
}

impl Shop {
    pub(crate) async fn open(config: &KafkaConfig) -> Self {
        let transport = super::transport(config);
        let plan = ["payments", "receipts"].map(|topic| pandaflow::ports::TopicToCreate {
            topic: TopicName::new(&format!("paper.{topic}")),
            partitions: PARTITIONS,
            retention: Duration::from_secs(3600),
            table: false,
        });
        transport.create_topics(plan.to_vec()).await.expect("topics can be made");
        let store = transport.settlement();
        let feed = store.acquire(Group::from("feed"), Partition(0), Vec::new()).await.unwrap().owner;
        Self { transport, feed, published: 0 }
    }

    /// Publishes so many payments more, spread over the accounts.
    pub(crate) async fn publish(&mut self, payments: u64) {
        let topic = TopicName::new("paper.payments");
        let outputs = (self.published..self.published + payments).map(|place| {
            let account = format!("account-{}", place % ACCOUNTS);
            let payment = Payment { account, number: place / ACCOUNTS + 1 };
            let ts = Timestamp(1_700_000_000_000 + i64::try_from(place).unwrap());
            let id = EventId::of_source("shop", place, ts);
            Outgoing::root(topic.clone(), id, ts, "shop", &payment).unwrap()
        });
        let outputs = outputs.collect();
        self.published += payments;
        self.settle(outputs).await;
    }

    pub(crate) async fn settle(&self, outputs: Vec<Outgoing>) {
        let store = self.transport.settlement();
        let mut settlement = Settlement { outputs, ..Settlement::empty(self.feed.clone()) };
        while let Err(unsettled) = store.settle(settlement).await {
            assert_eq!(unsettled.error.kind, SettleErrorKind::Retry, "{}", unsettled.error);
            settlement = unsettled.settlement;
        }
    }

    /// Waits until the group has settled as many events.
    pub(crate) async fn settled(&self, events: u64) -> Ledger {
        super::eventually(async || {
            let lags = self.transport.lag(vec![group()]).await.ok()?;
            let next: u64 = lags.iter().map(|lag| lag.next.0).sum();
            // Offsets may have gaps, so where it stands alone doesn't tell.
            (next >= events && lags.iter().all(|lag| lag.records() == 0)).then_some(())
        })
        .await;
        self.transport.ledgers(vec![group()]).await.unwrap()[0].1
    }

    /// The stored states of the group.
    pub(crate) async fn counts(&self) -> Vec<Count> {
        let states = self.transport.states().scan(group()).await.unwrap();
        let count = |(key, state): &(bytes::Bytes, bytes::Bytes)| {
            pandaflow_actors::decode_state(key, 1, state).expect("it is a count")
        };
        states.iter().map(count).collect()
    }

    /// The receipts in the log by event id: how often each, as a next step's dedup sees it.
    pub(crate) async fn receipts(&self) -> BTreeMap<EventId, u64> {
        super::read_all(&self.transport, "paper.receipts")
            .await
            .iter()
            .map(|record| <EnvelopeFormat as Decode<Receipt>>::peek_id(record).expect("it has an id"))
            .fold(BTreeMap::new(), |mut found, id| {
                *found.entry(id).or_default() += 1;
                found
            })
    }

    /// That every payment went into the state of its account once, in order.
    pub(crate) async fn assert_counted_once(&self) {
        let counts = self.counts().await;
        assert_eq!(counts.iter().map(|count| count.handled).sum::<u64>(), self.published, "{counts:?}");
        assert_eq!(counts.iter().map(|count| count.out_of_order).sum::<u64>(), 0, "{counts:?}");
    }
}

/// That no payment was handled twice, and each account's in order.
pub(crate) fn assert_handled_once_in_order(journal: &Journal, payments: u64) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let journal = journal.lock().unwrap();
    for (account, number) in journal.iter() {
        let last = last.entry(account.clone()).or_default();
        assert_eq!(*number, *last + 1, "of {account}");
        *last = *number;
    }
    assert_eq!(journal.len() as u64, payments);
}
