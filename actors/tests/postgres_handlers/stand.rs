//! Members of the group that keeps the book, and what looks at it from outside and publishes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::RunQueryDsl;
use pandaflow::{
    EventId, Group, Outgoing, Partition, StreamProcessor, SystemClock, Timestamp, TopicName, TopicSpec,
    policy::watermark::Progress,
    ports::{Owner, SettleErrorKind, Settlement, TopicToCreate, Transport},
};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig,
    transport::{
        kafka::{KafkaConfig, KafkaTransport},
        postgres::{PostgresConfig, PostgresStore},
        settlement_database::SettlementDatabase,
    },
};
use tokio::sync::oneshot;

use super::{
    book::{Book, Count, Faults, Payment, Plain},
    postgres::{Schema, connect},
    support,
};

pub(crate) const PARTITIONS: u32 = 4;
const ACCOUNTS: u64 = 40;

fn program<P: StreamProcessor>(factory: impl Fn() -> P + Send + Sync + 'static) -> Program {
    ["payments", "receipts"]
        .into_iter()
        .fold(Program::new(), |program, topic| program.topic(TopicSpec::new(topic).partitions(PARTITIONS)))
        .namespace("paper".parse().expect("it is a namespace"))
        .processor(factory)
}

pub(crate) fn group() -> Group {
    Group::from("pandaflow.paper.book")
}

/// Settings of a transport under this prefix.
pub(crate) fn config(broker: &str, prefix: &str) -> KafkaConfig {
    let mut config = KafkaConfig { prefix: prefix.into(), ..support::config(broker) };
    // One that is killed is soon found to be gone.
    config.session = (Duration::from_secs(6), Duration::from_millis(500));
    config
}

/// A member of the group, on a thread of its own, until it is told to leave.
pub(crate) struct Member {
    leave: oneshot::Sender<()>,
    thread: JoinHandle<bool>,
}

impl Member {
    /// Starts one that settles in the database at this URL, and waits until it runs.
    pub(crate) fn start(config: &KafkaConfig, url: &str, faults: &Faults) -> Self {
        let database =
            PostgresStore::open(&PostgresConfig::new(url)).expect("a store can be made").settlements();
        let config = KafkaConfig { settle_in: Some(database), ..config.clone() };
        let faults = faults.clone();
        Self::run(config, move || program(move || Book(faults.clone())))
    }

    /// Starts one that settles on the broker.
    pub(crate) fn start_without(config: &KafkaConfig) -> Self {
        Self::run(config.clone(), || program(|| Plain))
    }

    fn run(config: KafkaConfig, program: impl FnOnce() -> Program + Send + 'static) -> Self {
        let (leave, left) = oneshot::channel();
        let (tell, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix::System::new().block_on(async move {
                let runtime = start(&program(), support::transport(&config)).await;
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

async fn start(program: &Program, transport: Arc<KafkaTransport>) -> Runtime {
    let services = Services::start(&*transport, ServicesConfig::default());
    let config = RuntimeConfig { arbiters: 1, settle_events: 50, ..RuntimeConfig::default() };
    let log = slog::Logger::root(slog::Discard, slog::o!());
    Runtime::start(program, transport, services, Arc::new(SystemClock), config, log)
        .await
        .expect("it starts on the broker")
}

/// What looks at the group from outside, and publishes.
pub(crate) struct Stand {
    pub(crate) broker: String,
    /// Without the database.
    pub(crate) config: KafkaConfig,
    pub(crate) schema: Schema,
    pub(crate) database: Arc<dyn SettlementDatabase>,
    pub(crate) transport: Arc<KafkaTransport>,
    /// Publishes on the broker alone.
    feed: Arc<KafkaTransport>,
    published: Mutex<u64>,
}

impl Stand {
    pub(crate) fn open(broker: &str, server: &str) -> Self {
        let schema = Schema::make(server);
        let store = schema.store();
        schema.run(
            "CREATE TABLE book (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account TEXT,
                 number BIGINT, before BIGINT);
             CREATE TABLE page (book BIGINT REFERENCES book DEFERRABLE INITIALLY DEFERRED)",
        );
        let prefix = format!("t{}-", uuid::Uuid::now_v7().simple());
        let config = config(broker, &prefix);
        let database = store.settlements();
        let with = KafkaConfig { settle_in: Some(Arc::clone(&database)), ..config.clone() };
        Self {
            broker: broker.into(),
            transport: support::transport(&with),
            feed: support::transport(&config),
            config,
            schema,
            database,
            published: Mutex::new(0),
        }
    }

    /// Publishes so many payments more, spread over the accounts.
    pub(crate) async fn publish(&self, payments: u64) {
        let before = *self.published.lock().expect("nobody panics");
        let topic = TopicName::new("paper.payments");
        let plan = ["payments", "receipts"].map(|topic| TopicToCreate {
            topic: TopicName::new(&format!("paper.{topic}")),
            partitions: PARTITIONS,
            retention: Duration::from_secs(3600),
            table: false,
        });
        self.feed.create_topics(plan.to_vec()).await.expect("topics can be made");
        let outputs = (before..before + payments).map(|place| {
            let payment =
                Payment { account: format!("account-{}", place % ACCOUNTS), number: place / ACCOUNTS + 1 };
            let ts = Timestamp(1_700_000_000_000 + i64::try_from(place).expect("it fits"));
            let id = EventId::of_source("feed", place, ts);
            Outgoing::root(topic.clone(), id, ts, "feed", &payment).expect("it can be written")
        });
        let outputs = outputs.collect();
        *self.published.lock().expect("nobody panics") += payments;
        let owner = self.owner_on_the_broker("feed").await;
        self.settle_on_the_broker(Settlement { outputs, ..Settlement::empty(owner) }).await;
    }

    async fn owner_on_the_broker(&self, group: &str) -> Owner {
        let store = self.feed.settlement();
        store.acquire(Group::from(group), Partition(0), Vec::new()).await.expect("it can be acquired").owner
    }

    async fn settle_on_the_broker(&self, mut settlement: Settlement) {
        while let Err(unsettled) = self.feed.settlement().settle(settlement).await {
            assert_eq!(unsettled.error.kind, SettleErrorKind::Retry, "{}", unsettled.error);
            settlement = unsettled.settlement;
        }
    }

    /// Commits offsets of the group on the broker, which passes over what is not settled.
    pub(crate) async fn commit_on_the_broker(&self, next: u64) {
        let topic = TopicName::new("paper.payments");
        for partition in 0..PARTITIONS {
            let (store, topics) = (self.feed.settlement(), vec![topic.clone()]);
            let acquired =
                store.acquire(group(), Partition(partition), topics).await.expect("it can be acquired");
            let progress = vec![(topic.clone(), Progress::at(pandaflow::Offset(next)))];
            self.settle_on_the_broker(Settlement { progress, ..Settlement::empty(acquired.owner) }).await;
        }
    }

    /// Waits until the group has settled as many events.
    pub(crate) async fn settled(&self, events: u64) {
        support::eventually(async || {
            let settled = self.database.settled(vec![group()]).await.ok()?;
            let next = settled.iter().flat_map(|here| &here.progress).map(|(_, progress)| progress.next.0);
            (next.sum::<u64>() >= events).then_some(())
        })
        .await;
    }

    /// Waits until nothing is left to be published.
    pub(crate) async fn published_all(&self) {
        support::eventually(async || (self.transport.unpublished().await.ok()? == Some(0)).then_some(()))
            .await;
    }

    /// Waits until so many rows are in the book.
    pub(crate) async fn rows_reach(&self, rows: u64) {
        support::eventually(async || (self.rows().await.len() as u64 >= rows).then_some(())).await;
    }

    /// The rows of the handler: account and number.
    pub(crate) async fn rows(&self) -> Vec<(String, u64)> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            account: String,
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let mut connection = connect(&self.schema.url()).await;
        let rows =
            sql_query("SELECT account, number FROM book ORDER BY id").load::<Row>(&mut connection).await;
        let rows = rows.expect("rows can be read").into_iter();
        rows.map(|row| (row.account, u64::try_from(row.number).expect("it counts up"))).collect()
    }

    /// Rows whose handler did not see those of all earlier payments of its account.
    pub(crate) async fn rows_that_saw_too_little(&self) -> usize {
        let mut connection = connect(&self.schema.url()).await;
        let rows = sql_query("SELECT id FROM book WHERE before <> number - 1").execute(&mut connection).await;
        rows.expect("rows can be read")
    }

    /// The stored states of the group, by account.
    pub(crate) async fn counts(&self) -> BTreeMap<String, Count> {
        let states = self.transport.states().scan(group()).await.expect("states can be read");
        let count = |(key, state): (bytes::Bytes, bytes::Bytes)| {
            let count = pandaflow_actors::decode_state(&key, 1, &state).expect("it is a count");
            (String::from_utf8_lossy(&key).into_owned(), count)
        };
        states.into_iter().map(count).collect()
    }
}
