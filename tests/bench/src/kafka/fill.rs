//! Filling a topic: made anew, then written as fast as the client can.

use std::time::Duration;

use pandaflow::{Guarantee, Outgoing, partition_of};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{Stage, deposits::Drawer};
use crate::BenchError;

/// How long the broker may take to delete or make a topic.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often to look whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Makes a topic anew, without a record.
pub(crate) async fn make_anew(stage: &Stage, topic: &str) -> Result<(), BenchError> {
    let admin: AdminClient<DefaultClientContext> = stage.client().create()?;
    let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    for deleted in admin.delete_topics(&[topic], &options).await? {
        match deleted {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code).into()),
        }
    }
    let partitions = i32::try_from(stage.shape.partitions).unwrap_or(i32::MAX);
    let began = std::time::Instant::now();
    loop {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        match admin.create_topics(&[new], &options).await?.pop() {
            // The old one may not be quite gone.
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) if began.elapsed() < PATIENCE => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Some(Err((_, code))) => return Err(KafkaError::AdminOp(code).into()),
            _ => return Ok(()),
        }
    }
}

/// Writes the deposits of a run into its topic.
pub(crate) fn fill(stage: &Stage) -> Result<(), BenchError> {
    let mut drawer = Drawer::new(stage.topic.clone(), stage.shape.keys, stage.shape.work);
    let producer: BaseProducer = stage.producer().create()?;
    for _ in 0..stage.shape.n {
        send(&producer, &drawer.draw(None)?, stage.shape.partitions)?;
    }
    settle(&producer);
    Ok(())
}

/// Hands one record over, waiting while the client's queue is full.
pub(crate) fn send(producer: &BaseProducer, outgoing: &Outgoing, partitions: u32) -> Result<(), BenchError> {
    let key = outgoing.key.as_deref().unwrap_or_default();
    let partition = partition_of(Some(key), partitions);
    let mut record = BaseRecord::to(outgoing.topic.as_str())
        .key(key)
        .payload(outgoing.value.as_deref().unwrap_or_default())
        .partition(i32::try_from(partition.0).unwrap_or(0));
    loop {
        match producer.send(record) {
            Ok(()) => {
                producer.poll(Duration::ZERO);
                return Ok(());
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(1));
                record = back;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Waits until everything is confirmed.
pub(crate) fn settle(producer: &BaseProducer) {
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
    }
}

/// That all outputs are there, and whether transactions wrote them: the end of each takes an offset.
pub(crate) fn check_outputs(stage: &Stage) -> Result<(), BenchError> {
    let consumer: BaseConsumer = stage.client().set("isolation.level", "read_uncommitted").create()?;
    let mut written = 0;
    for partition in 0..i32::try_from(stage.shape.partitions).unwrap_or(i32::MAX) {
        written += consumer.fetch_watermarks(stage.outputs.as_str(), partition, PATIENCE)?.1;
    }
    let n = i64::try_from(stage.shape.n).unwrap_or(i64::MAX);
    if written < n || (stage.guarantee == Guarantee::ExactlyOnce && written == n) {
        let (outputs, guarantee) = (&stage.outputs, stage.guarantee);
        return Err(BenchError::Differs(format!(
            "{outputs} ends at {written} after {n} outputs, {guarantee}"
        )));
    }
    Ok(())
}

impl Stage {
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &*self.bootstrap);
        config
    }

    /// A producer as a careful person sets it up.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("acks", "all").set("linger.ms", "1");
        config.set("compression.type", "lz4").set("queue.buffering.max.messages", "200000");
        config
    }

    /// A consumer as a careful person sets it up: quick to fetch again, and with buffers of a bounded size.
    pub(crate) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.client();
        config.set("group.id", group).set("auto.offset.reset", "earliest");
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("fetch.queue.backoff.ms", "2").set("fetch.wait.max.ms", "50");
        config.set("queued.max.messages.kbytes", "16384");
        config
    }
}
