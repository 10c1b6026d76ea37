//! The bounds: loops on the same client, written by hand as a careful person would, without a framework.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use pandaflow::{EventEnvelope, EventId, Outgoing, Timestamp};
use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    message::{BorrowedMessage, DeliveryResult},
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};

use super::{
    Stage,
    deposits::DepositMade,
    desk::{DepositBooked, Desk, Ledger},
};
use crate::{
    BenchError,
    till::Taken,
    usage::{Spent, Stopwatch},
};

/// Events between two commits.
pub(super) const COMMIT_EVERY: u64 = 10_000;
/// How long nothing may come before something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Decodes, handles and commits `n` events on one thread.
pub(crate) fn consume(stage: &Stage, round: usize) -> Result<(Spent, Taken), BenchError> {
    let (topic, n) = (stage.topic.as_str(), stage.shape.n);
    let ledger = Ledger::new(Instant::now());
    let mut desk = Desk::new(ledger.clone(), false);
    let consumer: BaseConsumer = stage.consumer(&format!("{}.loop-{round}", stage.group)).create()?;
    consumer.subscribe(&[topic])?;
    let mut next = vec![None; stage.shape.partitions as usize];
    let (mut handled, mut stopwatch) = (0, None);
    while handled < n {
        let message = receive(&consumer)?;
        stopwatch.get_or_insert_with(Stopwatch::start);
        let deposit = EventEnvelope::<DepositMade>::decode(message.payload().unwrap_or_default())?;
        desk.book(&deposit.data);
        if let Some(next) = next.get_mut(message.partition() as usize) {
            *next = Some(message.offset() + 1);
        }
        handled += 1;
        if handled % COMMIT_EVERY == 0 {
            consumer.commit(&list(topic, &next)?, CommitMode::Async)?;
        }
    }
    consumer.commit(&list(topic, &next)?, CommitMode::Sync)?;
    let spent = stopwatch.map_or_else(Spent::default, |stopwatch| stopwatch.spent());
    drop(desk);
    Ok((spent, ledger.taken()))
}

/// As `consume`, with one output for each event; an offset is committed once the outputs of all before it are confirmed.
pub(crate) fn transform(stage: &Stage, round: usize) -> Result<(Spent, Taken), BenchError> {
    let (topic, n) = (stage.topic.as_str(), stage.shape.n);
    let ledger = Ledger::new(Instant::now());
    let mut desk = Desk::new(ledger.clone(), false);
    let consumer: BaseConsumer = stage.consumer(&format!("{}.loop-{round}", stage.group)).create()?;
    let confirmed = Confirmed::default();
    let producer: BaseProducer<Confirmed> = stage.producer().create_with_context(confirmed.clone())?;
    consumer.subscribe(&[topic])?;
    let mut under_way: Vec<UnderWay> = (0..stage.shape.partitions).map(|_| UnderWay::default()).collect();
    let (mut handled, mut stopwatch) = (0, None);
    while handled < n {
        let message = receive(&consumer)?;
        stopwatch.get_or_insert_with(Stopwatch::start);
        let envelope = EventEnvelope::<DepositMade>::decode(message.payload().unwrap_or_default())?;
        desk.book(&envelope.data);
        let place = (message.partition() as usize, message.offset());
        let output = output_of(stage, envelope, place)?;
        if let Some(partition) = under_way.get_mut(place.0) {
            partition.0.push_back((place.1, false));
        }
        send(&producer, &output, stage.shape.partitions, place)?;
        handled += 1;
        if handled % COMMIT_EVERY == 0 {
            let next = confirmed.take(&mut under_way)?;
            consumer.commit(&list(stage.topic.as_str(), &next)?, CommitMode::Async)?;
        }
    }
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
    }
    let next = confirmed.take(&mut under_way)?;
    consumer.commit(&list(stage.topic.as_str(), &next)?, CommitMode::Sync)?;
    let spent = stopwatch.map_or_else(Spent::default, |stopwatch| stopwatch.spent());
    drop(desk);
    Ok((spent, ledger.taken()))
}

/// The next message. The client also says that there is none after it has done something else, such as join.
pub(super) fn receive(consumer: &BaseConsumer) -> Result<BorrowedMessage<'_>, BenchError> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(message) = consumer.poll(PATIENCE) {
            return Ok(message?);
        }
    }
    Err(BenchError::Options(STUCK))
}

const STUCK: &str =
    "nothing came for a minute: is the topic filled (--fill), with as many events as --n says?";

/// The output of an event, with an id that is derived from where it came from, as the framework's are.
fn output_of(
    stage: &Stage,
    envelope: EventEnvelope<'_, DepositMade>,
    (partition, offset): (usize, i64),
) -> Result<Outgoing, BenchError> {
    let ts = Timestamp::from(envelope.ts);
    let place = ((partition as u64) << 48) | u64::try_from(offset).unwrap_or(0);
    let id = EventId::of_source("loop", place, ts);
    Ok(Outgoing::root(stage.outputs.clone(), id, ts, "loop", &DepositBooked::from(envelope.data))?)
}

/// Inputs in their order, and whether their outputs are confirmed.
#[derive(Debug, Default)]
struct UnderWay(VecDeque<(i64, bool)>);

/// What the broker confirmed since it was last looked at: partition and offset of inputs.
#[derive(Debug, Clone, Default)]
struct Confirmed(Arc<Mutex<Vec<Told>>>);

/// Partition and offset of an input whose output is confirmed, or why it is not.
type Told = Result<(usize, i64), String>;

impl ClientContext for Confirmed {}

impl ProducerContext for Confirmed {
    type DeliveryOpaque = Box<(usize, i64)>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Self::DeliveryOpaque) {
        let told = match result {
            Ok(_) => Ok(*place),
            Err((error, _)) => Err(error.to_string()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
}

impl Confirmed {
    /// The offsets below which all outputs are confirmed, per partition.
    fn take(&self, under_way: &mut [UnderWay]) -> Result<Vec<Option<i64>>, BenchError> {
        let told = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for place in told {
            let (partition, offset) = place.map_err(BenchError::Differs)?;
            let Some(UnderWay(waiting)) = under_way.get_mut(partition) else { continue };
            if let Ok(at) = waiting.binary_search_by_key(&offset, |(offset, _)| *offset) {
                waiting[at].1 = true;
            }
        }
        let below = |UnderWay(waiting): &mut UnderWay| {
            let mut next = None;
            while let Some((offset, true)) = waiting.front().copied() {
                waiting.pop_front();
                next = Some(offset + 1);
            }
            next
        };
        Ok(under_way.iter_mut().map(below).collect())
    }
}

fn send(
    producer: &BaseProducer<Confirmed>,
    outgoing: &Outgoing,
    partitions: u32,
    place: (usize, i64),
) -> Result<(), BenchError> {
    let key = outgoing.key.as_deref().unwrap_or_default();
    let partition = pandaflow::partition_of(Some(key), partitions);
    let value = outgoing.value.clone().unwrap_or_default();
    let mut record = BaseRecord::with_opaque_to(outgoing.topic.as_str(), Box::new(place))
        .key(key)
        .payload(&*value)
        .partition(i32::try_from(partition.0).unwrap_or(0));
    loop {
        match producer.send(record) {
            Ok(()) => {
                producer.poll(Duration::ZERO);
                return Ok(());
            }
            Err((
                rdkafka::error::KafkaError::MessageProduction(rdkafka::types::RDKafkaErrorCode::QueueFull),
                back,
            )) => {
                producer.poll(Duration::from_millis(1));
                record = back;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

pub(super) fn list(topic: &str, next: &[Option<i64>]) -> Result<TopicPartitionList, BenchError> {
    let mut list = TopicPartitionList::new();
    for (partition, next) in (0..).zip(next) {
        if let Some(next) = next {
            list.add_partition_offset(topic, partition, Offset::Offset(*next))?;
        }
    }
    Ok(list)
}
