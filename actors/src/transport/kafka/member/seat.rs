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
use rdkafka::{
    Message, consumer::base_consumer::PartitionQueue, error::KafkaError, message::BorrowedMessage,
};

use super::{context::MemberContext, notes::Wants};
use crate::transport::kafka::record::{Copies, record_of};

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
    copies: Copies,
    /// The first offset that has not been delivered.
    pub(super) next: Offset,
    /// When records last came, or the partition was given to us.
    pub(super) heard: Instant,
    /// Whether the client has handed records out, so that it goes on behind them, whoever they were for.
    pub(super) read: bool,
    /// Whether the owner that there is now has got one.
    began: bool,
}

/// Why there is no record.
pub(super) enum Trouble {
    /// What the client says.
    Client(KafkaError),
    /// The log goes on at an offset well below what was delivered of it: it was made anew or cut off, or the client has
    /// gone back by itself.
    Back(Offset),
}

impl Channel {
    pub(super) fn new(
        topic: TopicName,
        queue: PartitionQueue<MemberContext>,
        filled: Arc<AtomicBool>,
    ) -> Self {
        let (astray, next) = (VecDeque::new(), Offset::ZERO);
        let (copies, heard) = (Copies::default(), Instant::now());
        Self { topic, queue, filled, astray, copies, next, heard, read: false, began: false }
    }

    /// Whether there may be something.
    fn may_have(&self) -> bool {
        !self.astray.is_empty() || self.filled.load(Ordering::Acquire)
    }

    /// The next record; `None` if there is none now.
    fn take(&mut self) -> Result<Option<Record>, Trouble> {
        loop {
            let record = match self.astray.pop_front() {
                Some(record) => record,
                None => {
                    // Before the look: what comes after it rings again.
                    self.filled.store(false, Ordering::Release);
                    match self.queue.poll(Duration::ZERO) {
                        Some(Ok(message)) => {
                            self.filled.store(true, Ordering::Release);
                            record_of(&self.topic, &message, |bytes| self.copies.copy(bytes))
                        }
                        Some(Err(error)) => {
                            self.filled.store(true, Ordering::Release);
                            return Err(Trouble::Client(error));
                        }
                        None => return Ok(None),
                    }
                }
            };
            self.read = true;
            match came(record.offset, self.next, self.began) {
                Came::Next => {
                    self.next = record.offset.next();
                    self.began = true;
                    return Ok(Some(record));
                }
                Came::Again => {}
                Came::Back => return Err(Trouble::Back(record.offset)),
            }
        }
    }

    /// A new owner begins at this offset.
    pub(super) fn begin(&mut self, next: Offset) {
        self.next = next;
        self.began = false;
        self.heard = Instant::now();
    }

    /// Records that were fetched so far are not wanted any more.
    pub(super) fn forget(&mut self) {
        self.astray.clear();
        self.filled.store(true, Ordering::Release);
    }

    /// Takes in a record that came past the queue.
    pub(super) fn went_astray(&mut self, message: &BorrowedMessage<'_>) {
        let record = record_of(&self.topic, message, |bytes| self.copies.copy(bytes));
        log::debug!(
            "kafka: {}[{}]@{} came past its queue",
            self.topic,
            message.partition(),
            message.offset()
        );
        self.astray.push_back(record);
    }
}

/// How a record lies to what was delivered before.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// Behind it.
    Next,
    /// It was delivered, or settled before.
    Again,
    /// So far below that its log may be another one.
    Back,
}

fn came(offset: Offset, next: Offset, began: bool) -> Came {
    if offset >= next {
        return Came::Next;
    }
    // At first, the client may begin below what is settled. Later, it hands the last record out once more if it is told to pause,
    // as it is in every rebalance, in the instant that this one is taken.
    if began && offset.next() < next { Came::Back } else { Came::Again }
}

/// What becomes of it.
pub(super) enum Stage {
    /// Its group's progress and its state are being looked up. If it is started over, its assignee knows of an owner that
    /// is no more.
    Acquiring(Option<Owner>),
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
    /// Inputs that went on below what was read of them: where, and up to where they were read.
    pub(super) back: Vec<(usize, Offset, Offset)>,
    /// Held by the look-up that the seat waits for, weakly: gone with the seat, or when another look-up is begun.
    pub(super) wanted: Arc<()>,
    /// The input whose turn it is.
    turn: usize,
}

impl Seat {
    pub(super) fn new(partition: Partition, number: u64, channels: Vec<Channel>) -> Self {
        let (stage, wanted) = (Stage::Acquiring(None), Arc::new(()));
        Self { partition, number, channels, stage, back: Vec::new(), wanted, turn: 0 }
    }

    /// Is to be looked up again, under a new number.
    pub(super) fn start_over(&mut self, number: u64, former: Option<Owner>) {
        self.stage = Stage::Acquiring(former);
        self.number = number;
        self.wanted = Arc::new(());
    }

    /// The next records that were asked for and are there. Troubles go to `trouble`, with their input.
    pub(super) fn next_batch(&mut self, mut trouble: impl FnMut(usize, Trouble)) -> Option<Batch> {
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
                    Err(back @ Trouble::Back(_)) => {
                        // What was read before may be of a log that is no more.
                        trouble(input, back);
                        return None;
                    }
                    Err(error) => trouble(input, error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_record_may_come_again_and_what_is_settled_at_first_but_nothing_else() {
        let came = |offset, began| came(Offset(offset), Offset(10), began);
        assert_eq!([came(10, false), came(12, true)], [Came::Next, Came::Next]);
        assert_eq!([came(0, false), came(9, false), came(9, true)], [Came::Again, Came::Again, Came::Again]);
        assert_eq!([came(8, true), came(0, true)], [Came::Back, Came::Back]);
    }
}
