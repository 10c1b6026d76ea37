//! Tables: a consumer without a group that follows a topic, and the latest record per key in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use hashbrown::HashMap;
use pandaflow::{
    Offset as LogOffset, Partition, Record, TopicName, partition_of,
    ports::{Restored, StoreError, TableSource, TableView},
};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    topic_partition_list::Offset,
};
use tokio::sync::oneshot;

use super::{
    checkpoint::Row,
    core::Core,
    failure::{closed, failed, store_error},
    quiet::Quiet,
    record::record_of,
    restore::tell,
    topics::number,
};

/// How long the thread waits for a record before it looks whether anybody still wants the table.
const LOOK: Duration = Duration::from_millis(200);

/// [`TableSource`] on Kafka.
pub(super) struct KafkaTables(pub(super) Arc<Core>);

impl TableSource for KafkaTables {
    fn open(&self, topic: TopicName) -> BoxFuture<'static, Result<Arc<dyn TableView>, StoreError>> {
        let core = Arc::clone(&self.0);
        let (asking, asked) = (Arc::clone(&core), topic.clone());
        let started = self.0.background.ask(move || follow(&asking, asked));
        async move {
            let (table, there) = started.await?;
            let from_log = there.await.map_err(|_| closed())??;
            let restored = Restored { from_checkpoint: table.from_checkpoint, from_log };
            tell(&core, &format!("table {topic}"), restored);
            let partitions = table.partitions;
            let table: Arc<dyn TableView> = table;
            if let Some(checkpoints) = &core.checkpoints {
                checkpoints.follow(&topic, partitions, Arc::downgrade(&table));
            }
            Ok(table)
        }
        .boxed()
    }
}

/// The latest record per key.
struct Table {
    partitions: u32,
    /// How many records of it did not have to be read from the log.
    from_checkpoint: u64,
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

/// How many records of the log it took.
type There = oneshot::Receiver<Result<u64, StoreError>>;

/// Starts to follow a topic from its checkpoint or its beginning; tells when all that it holds now is there. Blocks.
fn follow(core: &Core, topic: TopicName) -> Result<(Arc<Table>, There), StoreError> {
    let partitions = core.topics.must_have(&topic)?;
    let what = format!("following topic {topic}");
    let consumer: BaseConsumer<Quiet> =
        core.config.reader().create_with_context(Quiet::default()).map_err(failed(&what))?;
    let (records, next) = load(core, &topic, partitions);
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        // What was committed just now can't be read yet.
        core.topics.settled_ends(&topic, partition)?;
        let name = core.names.topic(&topic);
        let from = next.get(&partition).map_or(Offset::Beginning, |next| Offset::Offset(*next));
        list.add_partition_offset(&name, number(partition), from).map_err(failed(&what))?;
    }
    consumer.assign(&list).map_err(failed(&what))?;
    let from_checkpoint = records.len() as u64;
    let table = Arc::new(Table { partitions, from_checkpoint, latest: RwLock::default() });
    records.into_iter().for_each(|record| table.take_in(record));
    let (reply, there) = oneshot::channel();
    let follower = Follower {
        topic,
        table: Arc::downgrade(&table),
        closed: Arc::clone(&core.closed),
        left: (0..partitions).map(number).collect(),
        records: 0,
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

/// The latest records that checkpoints have, and where their partitions go on. Blocks.
fn load(core: &Core, topic: &TopicName, partitions: u32) -> (Vec<Record>, BTreeMap<u32, i64>) {
    let (mut all, mut next) = (Vec::new(), BTreeMap::new());
    let Some(checkpoints) = &core.checkpoints else { return (all, next) };
    let partitions: Vec<u32> = (0..partitions).collect();
    for (partition, sound) in checkpoints.find(core, topic, &partitions) {
        let before = all.len();
        let record = |row: Row| Record {
            topic: topic.clone(),
            partition: Partition(partition),
            offset: LogOffset(u64::try_from(row.offset).unwrap_or(0)),
            timestamp: row.timestamp,
            key: Some(row.key),
            value: row.value,
            headers: row.headers,
        };
        match checkpoints.load(sound, |row| all.push(record(row))) {
            Some(from) => drop(next.insert(partition, from)),
            None => all.truncate(before),
        }
    }
    (all, next)
}

struct Follower {
    topic: TopicName,
    /// Gone once nobody wants it.
    table: Weak<Table>,
    closed: Arc<AtomicBool>,
    /// Partitions whose end has not been reached yet.
    left: BTreeSet<i32>,
    /// How many have come.
    records: u64,
    reply: Option<oneshot::Sender<Result<u64, StoreError>>>,
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
                    self.records += 1;
                    table.take_in(record_of(&self.topic, &message, bytes::Bytes::copy_from_slice));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard = Instant::now();
                    self.left.remove(&partition);
                    if self.left.is_empty()
                        && let Some(reply) = self.reply.take()
                    {
                        let _ = reply.send(Ok(self.records));
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
