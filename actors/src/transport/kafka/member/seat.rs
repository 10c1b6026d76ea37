//! One partition number of all topics, from its assignment until it is given back.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use pandaflow::{
    Offset, Partition, Record, TopicName,
    ports::{Batch, Owner},
};
use rdkafka::{Message, consumer::base_consumer::PartitionQueue, error::KafkaError};

use super::{context::MemberContext, notes::Wants};
use crate::transport::kafka::record::record_of;

/// Records handed over in one call at most, so that several partitions take turns, and so that they are still in the
/// processor's cache when they are handled.
const PAGE: usize = 256;

/// One topic's partition.
pub(super) struct Channel {
    pub(super) topic: TopicName,
    pub(super) queue: PartitionQueue<MemberContext>,
    /// Rung by librdkafka when the queue has something.
    pub(super) filled: Arc<AtomicBool>,
    /// What came past the queue, before it had been set up.
    pub(super) astray: VecDeque<Record>,
    /// The first offset that has not been delivered.
    pub(super) next: Offset,
    /// When records last came, or the partition was given to us.
    pub(super) heard: Instant,
}

impl Channel {
    /// Whether there may be something.
    fn may_have(&self) -> bool {
        !self.astray.is_empty() || self.filled.load(Ordering::Acquire)
    }

    /// The next record; `None` if there is none now.
    fn take(&mut self) -> Result<Option<Record>, KafkaError> {
        loop {
            let record = match self.astray.pop_front() {
                Some(record) => record,
                None => {
                    // Before the look: what comes after it rings again.
                    self.filled.store(false, Ordering::Release);
                    match self.queue.poll(Duration::ZERO) {
                        Some(Ok(message)) => {
                            self.filled.store(true, Ordering::Release);
                            record_of(&self.topic, &message)
                        }
                        Some(Err(error)) => {
                            self.filled.store(true, Ordering::Release);
                            return Err(error);
                        }
                        None => return Ok(None),
                    }
                }
            };
            if record.offset >= self.next {
                self.next = record.offset.next();
                return Ok(Some(record));
            }
        }
    }

    /// Records that were fetched so far are not wanted any more.
    pub(super) fn forget(&mut self, next: Offset) {
        self.astray.clear();
        self.next = next;
        self.filled.store(true, Ordering::Release);
    }

    /// Takes in a record that came past the queue.
    pub(super) fn went_astray(&mut self, message: &impl Message, record: Record) {
        log::debug!(
            "kafka: {}[{}]@{} came past its queue",
            self.topic,
            message.partition(),
            message.offset()
        );
        self.astray.push_back(record);
    }
}

/// What becomes of it.
pub(super) enum Stage {
    /// Its group's progress and its state are being looked up.
    Acquiring,
    /// It has an owner, who may ask for records.
    Owned(Owner, Arc<Wants>),
    /// Its owner drains, or has let go.
    Draining(Owner),
}

/// The partition number, with a channel for each topic.
pub(super) struct Seat {
    pub(super) partition: Partition,
    /// Of this process, so that a late answer is known from a new one.
    pub(super) number: u64,
    pub(super) channels: Vec<Channel>,
    pub(super) stage: Stage,
    /// The input whose turn it is.
    turn: usize,
}

impl Seat {
    pub(super) fn new(partition: Partition, number: u64, channels: Vec<Channel>) -> Self {
        Self { partition, number, channels, stage: Stage::Acquiring, turn: 0 }
    }

    /// The next records that were asked for and are there. Errors go to `trouble`.
    pub(super) fn next_batch(&mut self, mut trouble: impl FnMut(KafkaError)) -> Option<Batch> {
        let Stage::Owned(owner, wants) = &self.stage else { return None };
        let (events, mut bytes) = wants.open();
        let events = events.min(PAGE);
        if events == 0 || bytes <= 0 {
            return None;
        }
        for _ in 0..self.channels.len() {
            let input = self.turn;
            self.turn = (input + 1) % self.channels.len();
            let channel = &mut self.channels[input];
            if !channel.may_have() {
                continue;
            }
            let mut records = Vec::new();
            while records.len() < events && bytes > 0 {
                match channel.take() {
                    Ok(Some(record)) => {
                        bytes -= record.size() as i128;
                        records.push(record);
                    }
                    Ok(None) => break,
                    Err(error) => trouble(error),
                }
            }
            if !records.is_empty() {
                channel.heard = Instant::now();
                wants.take(records.len(), records.iter().map(Record::size).sum());
                return Some(Batch { epoch: owner.epoch, partition: self.partition, input, records });
            }
        }
        None
    }
}
