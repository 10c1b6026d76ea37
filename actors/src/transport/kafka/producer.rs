//! The producer: sends records and tells when the broker has them.

mod flight;

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{join, join_all};
use pandaflow::ports::StoreError;
use rdkafka::{
    ClientConfig, ClientContext, Message,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer},
};

use self::flight::Flight;
pub(super) use self::flight::{NotSent, NotSentKind};
use super::{
    answers::Answers,
    failure::failed,
    gates::{Gate, Gates},
    record::Outbound,
};

/// How long to wait for room in the producer's queue.
const ROOM: Duration = Duration::from_millis(2);
/// How often to ask for a topic's new partitions, and how long to wait for the answer.
const LOOKS: u32 = 50;
const PATIENCE: Duration = Duration::from_secs(5);

/// Records that go to a partition together at most: as many fit into one request.
const TOGETHER: usize = 1_000;

/// How often to look what has become of records that were sent together.
const LOOK: Duration = Duration::from_secs(5);
/// How long nothing of them may be confirmed by a broker that answers before the client is given up, at first and at last.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(20);
const PATIENCE_AT_LAST: Duration = Duration::from_secs(120);

/// Hears what has become of records.
#[derive(Default)]
pub(super) struct Confirming {
    gates: Gates,
    /// Nothing is to be handed over any more.
    given_up: AtomicBool,
}

/// A lot of a flight's records that have passed a gate together.
pub(super) struct Lot {
    flight: Arc<Flight>,
    gate: Arc<Gate>,
}

impl ClientContext for Confirming {
    fn error(&self, error: KafkaError, reason: &str) {
        log::warn!("kafka producer: {error}: {reason}");
    }
}

impl ProducerContext for Confirming {
    type DeliveryOpaque = Arc<Lot>;

    fn delivery(&self, result: &DeliveryResult<'_>, lot: Arc<Lot>) {
        if let Err((error, record)) = result {
            lot.flight.fail(NotSent::new(record.topic(), error));
        }
        lot.gate.land(1);
        lot.flight.leave();
    }
}

pub(super) type Client = ThreadedProducer<Confirming>;

/// One idempotent producer, made anew when it has failed for good.
pub(super) struct Producer {
    config: ClientConfig,
    client: RwLock<Arc<Client>>,
    answers: Answers,
    /// How long a flight may go without any confirmation while the broker answers.
    patience: Mutex<Duration>,
}

impl Producer {
    /// A producer of this configuration; the other one is for asking whether the broker answers.
    pub(super) fn new(config: ClientConfig, asking: ClientConfig) -> Result<Self, StoreError> {
        let client = RwLock::new(Arc::new(make(&config)?));
        let patience = Mutex::new(PATIENCE_AT_FIRST);
        Ok(Self { config, client, answers: Answers::new(asking, LOOK), patience })
    }

    /// Sends records, those of each partition in their order, and waits until the broker has all of them.
    pub(super) async fn send(&self, records: impl Iterator<Item = Outbound>) -> Result<(), NotSent> {
        let none = |error: StoreError| NotSent {
            kind: NotSentKind::Later,
            topic: "any topic".into(),
            why: error.message,
        };
        let client = self.client().map_err(none)?;
        let (flight, queues) = Flight::of(records);
        join(launch(&client, queues, &flight), self.await_landing(&client, &flight)).await;
        flight.outcome()
    }

    /// Waits until all of a flight has come back. A client that confirms nothing of it for long, though the broker answers, is
    /// given up: what it has not sent comes back, and the next flight goes with another one. A broker that is away is waited
    /// for: it may have what it has not confirmed, and another client would write that once more.
    async fn await_landing(&self, client: &Arc<Client>, flight: &Flight) {
        let landed = flight.landed.notified();
        tokio::pin!(landed);
        let patience = *self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut before, mut silent) = (flight.under_way(), Duration::ZERO);
        loop {
            if tokio::time::timeout(LOOK, landed.as_mut()).await.is_ok() {
                break;
            }
            let now = flight.under_way();
            if now.is_none() || now != before {
                (before, silent) = (now, Duration::ZERO);
                continue;
            }
            let answers = tokio::select! {
                () = landed.as_mut() => break,
                answers = self.answers.for_topics(&flight.topics) => answers,
            };
            match answers {
                Some(true) => silent += LOOK,
                Some(false) => silent = Duration::ZERO,
                None => {}
            }
            if silent >= patience && flight.under_way() == before {
                self.give_up(client, patience);
                landed.await;
                return;
            }
        }
        if patience != PATIENCE_AT_FIRST && Arc::ptr_eq(client, &self.current()) {
            *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = PATIENCE_AT_FIRST;
        }
    }

    /// librdkafka 2.12 may know of no leader of a partition for good, once its broker was out of reach.
    fn give_up(&self, client: &Arc<Client>, after: Duration) {
        let mut current = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, client) {
            log::warn!("kafka producer: nothing was confirmed for {after:?}: a new one is made");
            match make(&self.config) {
                Ok(made) => *current = Arc::new(made),
                Err(error) => return log::warn!("{error}"),
            }
            // A link that is only slow gets more time with each.
            let longer = (after * 2).min(PATIENCE_AT_LAST);
            *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = longer;
        }
        drop(current);
        client.context().given_up.store(true, Ordering::Release);
        client.purge(PurgeConfig::default().queue().inflight());
    }

    fn current(&self) -> Arc<Client> {
        Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn client(&self) -> Result<Arc<Client>, StoreError> {
        let client = self.current();
        let Some((code, why)) = client.client().fatal_error() else { return Ok(client) };
        let mut current = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&current, &client) {
            log::warn!("kafka producer: failed for good ({code}: {why}): a new one is made");
            *current = Arc::new(make(&self.config)?);
        }
        Ok(Arc::clone(&current))
    }
}

pub(super) fn make(config: &ClientConfig) -> Result<Client, StoreError> {
    config.create_with_context(Confirming::default()).map_err(failed("making a producer"))
}

/// Sends records, those of each partition in their order, and waits until the broker has all of them, or until what was sent has
/// come back after one of them failed.
pub(super) async fn send_through(
    client: &Arc<Client>,
    records: impl Iterator<Item = Outbound>,
) -> Result<(), NotSent> {
    let (flight, queues) = Flight::of(records);
    launch(client, queues, &flight).await;
    flight.landed.notified().await;
    flight.outcome()
}

/// Hands records over, those of a partition in their order, each partition's up to one that can't be.
async fn launch(client: &Arc<Client>, queues: Vec<Vec<Outbound>>, flight: &Arc<Flight>) {
    join_all(queues.into_iter().map(|queue| hand_over_all(client, queue, flight))).await;
    flight.launched.store(true, Ordering::Release);
    flight.leave();
}

/// Hands over what goes to one partition, as long as nothing of the flight has failed.
async fn hand_over_all(client: &Arc<Client>, queue: Vec<Outbound>, flight: &Arc<Flight>) {
    let gate = client.context().gates.of(&queue[0].topic, queue[0].partition);
    let mut queue = queue.into_iter();
    while queue.len() > 0 {
        let together = queue.len().min(TOGETHER);
        let mut pass = gate.pass(together).await;
        if flight.has_failed() {
            return;
        }
        let lot = Arc::new(Lot { flight: Arc::clone(flight), gate: Arc::clone(&gate) });
        for record in queue.by_ref().take(together) {
            if let Err(failure) = hand_over(client, record, &lot).await {
                return flight.fail(failure);
            }
            pass.use_one();
        }
    }
}

async fn hand_over(client: &Arc<Client>, record: Outbound, lot: &Arc<Lot>) -> Result<(), NotSent> {
    let Outbound { topic, partition, timestamp, key, value, headers } = record;
    let mut sent = BaseRecord::<[u8], [u8], Arc<Lot>>::with_opaque_to(&topic, Arc::clone(lot));
    sent.partition = Some(i32::try_from(partition.0).unwrap_or(i32::MAX));
    sent.timestamp = Some(timestamp);
    sent.key = key.as_deref();
    sent.payload = value.as_deref();
    sent.headers = headers;
    let mut looks = LOOKS;
    loop {
        if client.context().given_up.load(Ordering::Acquire) {
            return Err(NotSent::given_up(sent.topic));
        }
        lot.flight.left.fetch_add(1, Ordering::AcqRel);
        let Err((error, refused)) = client.send(sent) else { return Ok(()) };
        lot.flight.left.fetch_sub(1, Ordering::AcqRel);
        sent = refused;
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => tokio::time::sleep(ROOM).await,
            Some(RDKafkaErrorCode::UnknownPartition) if looks > 0 => {
                looks -= 1;
                look_again(client, sent.topic).await;
            }
            _ => return Err(NotSent::new(sent.topic, &error)),
        }
    }
}

/// The topic has got partitions that the client doesn't know of: it looks by itself only every few minutes.
async fn look_again(client: &Arc<Client>, topic: &str) {
    let (client, name) = (Arc::clone(client), topic.to_owned());
    let looked = tokio::task::spawn_blocking(move || {
        let metadata = client.client().fetch_metadata(Some(&name), PATIENCE);
        metadata.map(|_| ()).map_err(|error| log::debug!("kafka producer: {name}: {error}"))
    });
    let _ = looked.await;
    tokio::time::sleep(ROOM * 10).await;
}
