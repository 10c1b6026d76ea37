//! Tables: a consumer without a group that follows a topic, and the latest record per key in memory.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use hashbrown::HashMap;
use pandaflow::{
    Record, TopicName, partition_of,
    ports::{StoreError, TableSource, TableView},
};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    topic_partition_list::Offset,
};
use tokio::sync::oneshot;

use super::{
    core::Core,
    failure::{closed, failed, store_error},
    quiet::Quiet,
    record::record_of,
    topics::number,
};

/// How long the thread waits for a record before it looks whether anybody still wants the table.
const LOOK: Duration = Duration::from_millis(200);

/// [`TableSource`] on Kafka.
pub(super) struct KafkaTables(pub(super) Arc<Core>);

impl TableSource for KafkaTables {
    fn open(&self, topic: TopicName) -> BoxFuture<'static, Result<Arc<dyn TableView>, StoreError>> {
        let core = Arc::clone(&self.0);
        let started = self.0.background.ask(move || follow(&core, topic));
        async move {
            let (table, there) = started.await?;
            there.await.map_err(|_| closed())??;
            Ok(table as Arc<dyn TableView>)
        }
        .boxed()
    }
}

/// The latest record per key.
struct Table {
    partitions: u32,
    latest: RwLock<HashMap<bytes::Bytes, Record>>,
}

impl Table {
    fn take_in(&self, record: Record) {
        let Some(key) = record.key.clone() else { return };
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        let home = partition_of(Some(&key), self.partitions);
        // Whoever writes with a partitioner of their own has a key elsewhere; its home goes before that.
        if record.partition == home || latest.get(&key).is_none_or(|known| known.partition != home) {
            latest.insert(key, record);
        }
    }
}

impl TableView for Table {
    fn latest(&self, key: &[u8]) -> Option<Record> {
        self.latest.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

type There = oneshot::Receiver<Result<(), StoreError>>;

/// Starts to follow a topic from its beginning; tells when all that it holds now is there. Blocks.
fn follow(core: &Core, topic: TopicName) -> Result<(Arc<Table>, There), StoreError> {
    let partitions = core.topics.must_have(&topic)?;
    let what = format!("following topic {topic}");
    let consumer: BaseConsumer<Quiet> =
        core.config.reader().create_with_context(Quiet::default()).map_err(failed(&what))?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        // What was committed just now can't be read yet.
        core.topics.settled_ends(&topic, partition)?;
        let name = core.names.topic(&topic);
        list.add_partition_offset(&name, number(partition), Offset::Beginning).map_err(failed(&what))?;
    }
    consumer.assign(&list).map_err(failed(&what))?;
    let table = Arc::new(Table { partitions, latest: RwLock::default() });
    let (reply, there) = oneshot::channel();
    let follower = Follower {
        topic,
        table: Arc::downgrade(&table),
        closed: Arc::clone(&core.closed),
        left: (0..partitions).map(number).collect(),
        reply: Some(reply),
        // Longer than a request: the first answer comes after the client has connected.
        patience: core.config.request_timeout * 2,
        complained: None,
    };
    std::thread::Builder::new()
        .name("kafka-table".into())
        .spawn(move || follower.run(&consumer))
        .map_err(|error| store_error(format!("{what}: {error}")))?;
    Ok((table, there))
}

struct Follower {
    topic: TopicName,
    /// Gone once nobody wants it.
    table: Weak<Table>,
    closed: Arc<AtomicBool>,
    /// Partitions whose end has not been reached yet.
    left: BTreeSet<i32>,
    reply: Option<oneshot::Sender<Result<(), StoreError>>>,
    /// How long nothing may come before its end has been reached.
    patience: Duration,
    /// What the client has complained of last: it does so over and over.
    complained: Option<RDKafkaErrorCode>,
}

impl Follower {
    fn run(mut self, consumer: &BaseConsumer<Quiet>) {
        let mut heard = Instant::now();
        loop {
            let polled = consumer.poll(LOOK);
            let wanted = self.table.upgrade().filter(|_| !self.closed.load(Ordering::Acquire));
            let Some(table) = wanted else { return };
            match polled {
                None => {}
                Some(Ok(message)) => {
                    heard = Instant::now();
                    self.complained = None;
                    table.take_in(record_of(&self.topic, &message, bytes::Bytes::copy_from_slice));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard = Instant::now();
                    self.left.remove(&partition);
                    if self.left.is_empty()
                        && let Some(reply) = self.reply.take()
                    {
                        let _ = reply.send(Ok(()));
                    }
                }
                Some(Err(error)) if self.may_not_read(&error) => return,
                Some(Err(_)) => {}
            }
            if heard.elapsed() > self.patience
                && let Some(reply) = self.reply.take()
            {
                let left: Vec<String> = self.left.iter().map(ToString::to_string).collect();
                let _ = reply.send(Err(store_error(format!(
                    "table {}: nothing came of partitions {} for {:?}",
                    self.topic,
                    left.join(", "),
                    self.patience
                ))));
                return;
            }
        }
    }
    /// Whether the client says so before the table was there, so that it never will be. Otherwise the client goes on by itself
    /// once it can.
    fn may_not_read(&mut self, error: &KafkaError) -> bool {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::TopicAuthorizationFailed)
            && let Some(reply) = self.reply.take()
        {
            let _ = reply.send(Err(store_error(format!("table {}: may not be read: {error}", self.topic))));
            return true;
        }
        if self.complained != code {
            log::warn!("kafka: table {}: {error}", self.topic);
        }
        self.complained = code;
        false
    }
}
