//! What waits for the writer.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use pandaflow::{
    Group, Partition, TopicName,
    ports::{
        Acquired, Mark, Owner, ParkChange, SettleError, SettleErrorKind, Settlement, Standing, StoreError,
        TopicToCreate, Unsettled,
    },
};
use tokio::sync::oneshot;

use super::{
    EmbeddedConfig,
    admission::{NOT_ITS_TURN, error},
    latch::{Latch, ReadAt},
    writer::closed,
};

/// Where an answer goes. Nobody listens if the caller gave up.
pub(super) type Reply<T, E = StoreError> = oneshot::Sender<Result<T, E>>;

/// Where the answer to a settlement goes: why not, and where to note that a refusal was read.
pub(super) type SettleReply = Reply<(), (Box<Unsettled>, Option<ReadAt>)>;

/// Something for the writer to do.
#[derive(Debug)]
pub(super) enum Job {
    Settle(Box<SettleJob>),
    Acquire(AcquireJob),
    CreateTopics(Vec<TopicToCreate>, Reply<()>),
    /// Events are done whose settlement is another store's.
    Mark(Owner, Vec<Mark>, Reply<Standing>),
    /// An owner has given its partition back.
    Retire(Owner),
    Tidy(Reply<()>),
    Close(oneshot::Sender<()>),
}

/// A settlement that waits. Dropped without an answer, it goes back to its caller.
#[derive(Debug)]
pub(super) struct SettleJob {
    /// Taken by the answer.
    waiting: Option<(Settlement, SettleReply)>,
    /// Which call of all it is. Set by the queue.
    pub(super) call: u64,
    rows: usize,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct AcquireJob {
    pub(super) group: Group,
    pub(super) partition: Partition,
    pub(super) topics: Vec<TopicName>,
    pub(super) reply: Reply<Acquired>,
}

impl SettleJob {
    pub(super) fn new(settlement: Settlement, reply: SettleReply) -> Self {
        let (rows, bytes) = weight(&settlement);
        Self { waiting: Some((settlement, reply)), call: 0, rows, bytes }
    }

    pub(super) fn settlement(&self) -> &Settlement {
        &self.waiting.as_ref().expect("it is taken by the answer, which ends the job").0
    }

    pub(super) fn confirm(mut self) {
        if let Some((_, reply)) = self.waiting.take() {
            let _ = reply.send(Ok(()));
        }
    }

    pub(super) fn refuse(mut self, error: SettleError, read: Option<ReadAt>) {
        self.give_back(error, read);
    }

    fn give_back(&mut self, error: SettleError, read: Option<ReadAt>) {
        if let Some((settlement, reply)) = self.waiting.take() {
            let _ = reply.send(Err((Box::new(Unsettled { settlement, error }), read)));
        }
    }
}

impl Drop for SettleJob {
    fn drop(&mut self) {
        self.give_back(SettleError { kind: SettleErrorKind::Retry, source: closed() }, None);
    }
}

/// The writer's queue: filled by everybody, emptied by the writer alone. Settlements in it are bounded in rows and
/// bytes ([`EmbeddedConfig::queue_rows`], [`EmbeddedConfig::queue_bytes`]): beyond, they go back to be tried again. The
/// other jobs are few.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    max_rows: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    rows: usize,
    bytes: usize,
    /// Settlements that were called.
    calls: u64,
    closed: bool,
    /// Owners of whom a settlement found the queue full.
    latches: HashMap<Owner, Latch>,
}

impl Queue {
    pub(super) fn new(config: &EmbeddedConfig) -> Self {
        Self {
            waiting: Mutex::default(),
            filled: Condvar::new(),
            max_rows: config.queue_rows,
            max_bytes: config.queue_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job at the end. A closed queue drops it.
    pub(super) fn push(&self, job: Job) {
        let mut waiting = self.lock();
        if !waiting.closed {
            waiting.jobs.push_back(job);
            drop(waiting);
            self.filled.notify_one();
        }
    }

    /// Puts a settlement at the end, or gives it back if the queue is full.
    pub(super) fn settle(&self, mut job: SettleJob) {
        let mut waiting = self.lock();
        job.call = waiting.calls;
        waiting.calls += 1;
        if waiting.closed {
            return;
        }
        if !waiting.lets_through(&job) {
            return job.refuse(error(SettleErrorKind::Retry, NOT_ITS_TURN.into()), None);
        }
        let (rows, bytes) = (waiting.rows + job.rows, waiting.bytes + job.bytes);
        // One that is larger than the whole queue gets its turn alone.
        if (rows > self.max_rows || bytes > self.max_bytes) && waiting.rows > 0 {
            let owner = job.settlement().owner.clone();
            waiting.latches.entry(owner).or_default().close(job.settlement(), SettleErrorKind::Retry);
            let (rows, bytes) = (waiting.rows, waiting.bytes);
            let message = format!("{rows} rows of {bytes} bytes wait for the disk already");
            return job.refuse(error(SettleErrorKind::Retry, message), None);
        }
        (waiting.rows, waiting.bytes) = (rows, bytes);
        waiting.jobs.push_back(Job::Settle(Box::new(job)));
        drop(waiting);
        self.filled.notify_one();
    }

    /// How many settlements have been called.
    pub(super) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Takes jobs for about one transaction: in order, at least one if there is one. Waits for the first until
    /// `deadline`.
    pub(super) fn take(&self, rows: usize, bytes: usize, deadline: Instant) -> Vec<Job> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Vec::new();
            }
            waiting = self.filled.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let (mut taken, mut taken_rows, mut taken_bytes) = (Vec::new(), 0, 0);
        while let Some(job) = waiting.jobs.front() {
            if let Job::Settle(settle) = job {
                let full = taken_rows + settle.rows > rows || taken_bytes + settle.bytes > bytes;
                if full && !taken.is_empty() {
                    break;
                }
                taken_rows += settle.rows;
                taken_bytes += settle.bytes;
            }
            taken.extend(waiting.jobs.pop_front());
        }
        waiting.rows -= taken_rows;
        waiting.bytes -= taken_bytes;
        taken
    }

    /// Puts the last job at the end and drops what comes after it.
    pub(super) fn push_last(&self, job: Job) {
        self.push(job);
        self.lock().closed = true;
    }

    /// Drops what waits and what comes.
    pub(super) fn abandon(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        let jobs = std::mem::take(&mut waiting.jobs);
        drop(waiting);
        drop(jobs);
    }
}

impl Waiting {
    fn lets_through(&mut self, job: &SettleJob) -> bool {
        let settlement = job.settlement();
        let through = self
            .latches
            .get_mut(&settlement.owner)
            .is_none_or(|latch| latch.lets_through(settlement, job.call));
        if through && !self.latches.is_empty() {
            self.latches.remove(&settlement.owner);
        }
        through
    }
}

/// Rows that a settlement writes, and the bytes in them.
fn weight(settlement: &Settlement) -> (usize, usize) {
    let rows = settlement.outputs.len()
        + settlement.states.len()
        + settlement.marks.len()
        + settlement.dead_letters.len()
        + settlement.attempts.len()
        + settlement.parking.len()
        + settlement.progress.len()
        + 1;
    let of = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let outputs: usize = settlement
        .outputs
        .iter()
        .map(|output| of(&output.key) + of(&output.value) + output.headers.size())
        .sum();
    let states: usize = settlement.states.iter().map(|change| change.key.len() + of(&change.value)).sum();
    let letters: usize = settlement.dead_letters.iter().map(|letter| letter.record.size()).sum();
    let parked = settlement.parking.iter().map(|change| match change {
        ParkChange::Parked(event) => event.record.size(),
        ParkChange::Ended { .. } => 0,
    });
    (rows, outputs + states + letters + parked.sum::<usize>() + settlement.marks.len() * 16 + rows * 16)
}
