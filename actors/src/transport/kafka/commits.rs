//! Commits of many owners through one consumer: gathered into one call, by a thread of their own.
//!
//! The client tells only a synchronous commit whether the broker took it, and that has no time-out: with the broker away it
//! may block for half a minute. So neither the source's thread nor an owner makes it.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use pandaflow::{Partition, ports::StoreError};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    topic_partition_list::Offset,
};
use tokio::sync::oneshot;

use super::{commit_note::is_ranges, failure::store_error, topics::number};

/// How long a commit that meets a rebalance is tried again here, and how often.
const REBALANCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(10);

/// An offset to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The topic's name on the broker.
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) note: String,
}

/// Why offsets were not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotCommitted {
    /// The group has gone on without this member.
    Fenced(String),
    /// It may be tried again.
    Retry(String),
}

/// Resolves once offsets are committed.
pub(super) type Answer = oneshot::Receiver<Result<(), NotCommitted>>;

struct Request {
    entries: Vec<Entry>,
    /// Whether the owner still has its partition.
    held: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<(), NotCommitted>>,
}

#[derive(Default)]
struct Inside {
    /// Handed in and not sent. One for each owner at most, since it waits for the answer.
    waiting: Vec<Request>,
    /// Whether a call is under way.
    busy: bool,
    closed: bool,
}

/// Where owners hand commits in, and the thread takes them.
#[derive(Default)]
pub(super) struct CommitDesk {
    inside: Mutex<Inside>,
    filled: Condvar,
}

impl CommitDesk {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands offsets in, to be committed as long as `held` is so.
    pub(super) fn commit(&self, entries: Vec<Entry>, held: Arc<AtomicBool>) -> Answer {
        let (reply, answer) = oneshot::channel();
        let mut inside = self.lock();
        if inside.closed {
            let _ = reply.send(Err(NotCommitted::Fenced("the member has left its group".into())));
        } else {
            inside.waiting.push(Request { entries, held, reply });
        }
        drop(inside);
        self.filled.notify_one();
        answer
    }

    /// What was not sent of a partition is not sent any more.
    pub(super) fn withdraw(&self, partition: Partition) {
        let is_of = |request: &mut Request| {
            request.entries.iter().any(|entry| entry.partition == number(partition.0))
        };
        let withdrawn: Vec<Request> = self.lock().waiting.extract_if(.., is_of).collect();
        for request in withdrawn {
            let _ = request.reply.send(Err(NotCommitted::Fenced("the partition was taken away".into())));
        }
    }

    /// Gives back what was not sent. After a fence nothing is taken any more.
    pub(super) fn give_back(&self, why: &NotCommitted) {
        let mut inside = self.lock();
        inside.closed = matches!(why, NotCommitted::Fenced(_));
        let requests = std::mem::take(&mut inside.waiting);
        drop(inside);
        for request in requests {
            let _ = request.reply.send(Err(why.clone()));
        }
    }

    /// Whether nothing waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        let inside = self.lock();
        inside.waiting.is_empty() && !inside.busy
    }

    /// What waits, once something does; `None` when the thread is to stop. What comes during a call goes with the next.
    fn take(&self, stop: &AtomicBool) -> Option<Vec<Request>> {
        let mut inside = self.lock();
        inside.busy = false;
        while inside.waiting.is_empty() && !stop.load(Ordering::Acquire) {
            inside = self.filled.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        if stop.load(Ordering::Acquire) {
            return None;
        }
        inside.busy = true;
        Some(std::mem::take(&mut inside.waiting))
    }
}

/// The thread that commits through one consumer. Dropped, it ends what it has begun; so long it has the consumer.
pub(super) struct CommitThread {
    desk: Arc<CommitDesk>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl CommitThread {
    pub(super) fn start<C: ConsumerContext + 'static>(
        desk: &Arc<CommitDesk>,
        consumer: Arc<BaseConsumer<C>>,
        standing: Standing,
    ) -> Result<Self, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (serving, stopping) = (Arc::clone(desk), Arc::clone(&stop));
        let serve = move || {
            while let Some(requests) = serving.take(&stopping) {
                commit(&*consumer, requests, standing, &stopping);
            }
        };
        let thread = std::thread::Builder::new()
            .name("kafka-commits".into())
            .spawn(serve)
            .map_err(|error| store_error(format!("starting a thread for commits: {error}")))?;
        Ok(Self { desk: Arc::clone(desk), stop, thread: Some(thread) })
    }
}

impl Drop for CommitThread {
    fn drop(&mut self) {
        {
            // Under the lock, or the thread could miss it between its look and its wait.
            let _inside = self.desk.lock();
            self.stop.store(true, Ordering::Release);
        }
        self.desk.filled.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("kafka: the thread for commits panicked");
        }
    }
}

/// Commits, again where a rebalance came between.
fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    mut requests: Vec<Request>,
    standing: Standing,
    stop: &AtomicBool,
) {
    let deadline = Instant::now() + REBALANCE;
    loop {
        let gone: Vec<Request> =
            requests.extract_if(.., |request| !request.held.load(Ordering::Acquire)).collect();
        for request in gone {
            let _ = request.reply.send(Err(NotCommitted::Fenced("the partition was taken away".into())));
        }
        if requests.is_empty() {
            return;
        }
        let result = consumer.commit(&list_of(&requests), CommitMode::Sync);
        if let Err(error) = &result
            && is_of_one(error)
        {
            if requests.len() > 1 {
                // The client tells of one partition that was refused as of all.
                for request in requests {
                    commit(consumer, vec![request], standing, stop);
                }
                return;
            }
            if without_notes(error, &mut requests) {
                continue;
            }
        }
        if let Err(error) = &result
            && standing == Standing::Member
            && met_a_rebalance(error)
            && Instant::now() < deadline
            && !stop.load(Ordering::Acquire)
        {
            std::thread::sleep(AGAIN);
            continue;
        }
        let answer = result.map_err(|error| standing.read(&error));
        for request in requests {
            let _ = request.reply.send(answer.clone());
        }
        return;
    }
}

/// Whether a commit was refused for one of its partitions, and not for who sent it.
fn is_of_one(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::OffsetMetadataTooLarge
                | Code::UnknownTopicOrPartition
                | Code::TopicAuthorizationFailed
                | Code::InvalidCommitOffsetSize
        )
    )
}

/// Leaves out what a broker keeps no room for: ranges settled above the offset, which are then handled again, but not who owns
/// the partition and its ledger. Whether there was anything to leave out.
fn without_notes(error: &KafkaError, requests: &mut [Request]) -> bool {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::OffsetMetadataTooLarge) {
        return false;
    }
    let mut left_out = false;
    for entry in requests.iter_mut().flat_map(|request| &mut request.entries) {
        if is_ranges(&entry.note) {
            entry.note.clear();
            left_out = true;
        }
    }
    left_out
}

/// Whether a commit carried a generation that was over when it came.
fn met_a_rebalance(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::IllegalGeneration | Code::StaleMemberEpoch | Code::RebalanceInProgress)
    )
}

fn list_of(requests: &[Request]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(requests.len() * 2);
    // Two owners of one partition, one after the other: the later one says how it is.
    for entry in requests.iter().rev().flat_map(|request| &request.entries) {
        if list.find_partition(&entry.topic, entry.partition).is_some() {
            continue;
        }
        let mut element = list.add_partition(&entry.topic, entry.partition);
        // An offset is never negative.
        let _ = element.set_offset(Offset::Offset(entry.offset.max(0)));
        element.set_metadata(&entry.note);
    }
    list
}

/// Who commits: what an error means depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A member. A commit that meets a rebalance carries a generation that is over by then, though the partition may stay
    /// ours: whether it does is told by the group's decisions, not by the commit.
    Member,
    /// Nobody whom the group knows.
    Outsider,
}

impl Standing {
    fn read(self, error: &KafkaError) -> NotCommitted {
        use RDKafkaErrorCode as Code;
        let why = format!("committing: {error}");
        match error.rdkafka_error_code() {
            Some(Code::FencedInstanceId | Code::AssignmentLost) => NotCommitted::Fenced(why),
            Some(Code::UnknownMemberId | Code::IllegalGeneration) if self == Self::Outsider => {
                NotCommitted::Fenced(format!("{why}: the group has members, and only they may commit"))
            }
            _ => NotCommitted::Retry(why),
        }
    }
}
