//! Commits of many owners through one consumer: gathered into one call, by a thread of their own.
//!
//! The client tells only a synchronous commit whether the broker took it, and that has no time-out: with the broker away it
//! may block for half a minute. So neither the source's thread nor an owner makes it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use pandaflow::ports::StoreError;
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{
    acquire::note,
    commit_note::{Tally, is_ranges},
    desk::{Desk, Entry, NotCommitted, Request, Waiting, list_of, turn_away_the_lost},
    failure::store_error,
};

/// How long a member's commits lie apart: a broker spends more on one than on many events, and nobody waits for it but who
/// drains.
const APART: Duration = Duration::from_millis(10);
/// How long a commit that meets a rebalance is tried again here, and how often.
const REBALANCE: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(10);
/// How long to wait for what others have committed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A thread that serves a desk. Dropped, it ends what it has begun; so long it has the consumer.
pub(super) struct DeskThread {
    desk: Arc<Desk>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DeskThread {
    /// A thread that commits offsets through a consumer.
    pub(super) fn committing<C: ConsumerContext + 'static>(
        desk: &Arc<Desk>,
        consumer: Arc<BaseConsumer<C>>,
        standing: Standing,
    ) -> Result<Self, StoreError> {
        let serving = Arc::clone(desk);
        // Whoever publishes waits for each of its commits.
        let apart = if standing == Standing::Member { APART } else { Duration::ZERO };
        Self::start(desk, "kafka-commits", move |stop| {
            let mut due = Instant::now();
            while let Some(waiting) = serving.take(stop, due, |_| false) {
                commit(&*consumer, waiting, standing, stop);
                due = Instant::now() + apart;
            }
        })
    }

    /// A thread that serves the desk until it is to stop.
    pub(super) fn start(
        desk: &Arc<Desk>,
        name: &str,
        serve: impl FnOnce(&AtomicBool) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || serve(&stopping))
            .map_err(|error| store_error(format!("starting the thread {name}: {error}")))?;
        Ok(Self { desk: Arc::clone(desk), stop, thread: Some(thread) })
    }
}

impl Drop for DeskThread {
    fn drop(&mut self) {
        self.desk.stop(&self.stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("kafka: a thread for commits panicked");
        }
    }
}

/// Commits, again where a rebalance came between.
fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    mut waiting: Vec<Waiting>,
    standing: Standing,
    stop: &AtomicBool,
) {
    let deadline = Instant::now() + REBALANCE;
    loop {
        turn_away_the_lost(&mut waiting);
        if standing == Standing::Outsider {
            turn_away_the_followed(consumer, &mut waiting);
        }
        if waiting.is_empty() {
            return;
        }
        let result = consumer.commit(&list_of(&waiting), CommitMode::Sync);
        if let Err(error) = &result
            && is_of_one(error)
        {
            if waiting.len() > 1 {
                // The client tells of one partition that was refused as of all.
                for one in waiting {
                    commit(consumer, vec![one], standing, stop);
                }
                return;
            }
            if without_notes(error, &mut waiting) {
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
        waiting.into_iter().for_each(|waiting| waiting.answer(answer.clone()));
        return;
    }
}

/// Answers those whose partition a later owner has committed for, and takes them out. Where nobody is a member, the group fences
/// nobody: whoever came later is known by the epoch beside the ledger.
fn turn_away_the_followed<C: ConsumerContext>(consumer: &BaseConsumer<C>, waiting: &mut Vec<Waiting>) {
    let mut list = TopicPartitionList::new();
    for Entry { topic, partition, .. } in waiting.iter().filter_map(|waiting| waiting.request.tally()) {
        if list.find_partition(topic, *partition).is_none() {
            list.add_partition(topic, *partition);
        }
    }
    let committed = match consumer.committed_offsets(list, PATIENCE) {
        Ok(committed) => committed,
        Err(error) => {
            let why = NotCommitted::Retry(format!("reading what others have committed: {error}"));
            return waiting.drain(..).for_each(|waiting| waiting.answer(Err(why.clone())));
        }
    };
    if let Some(error) = committed.elements().iter().find_map(|element| element.error().err()) {
        let why = NotCommitted::Retry(format!("reading what others have committed: {error}"));
        return waiting.drain(..).for_each(|waiting| waiting.answer(Err(why.clone())));
    }
    let later = |request: &Request| {
        let own = request.tally()?;
        let found = Tally::read(&note(&committed.find_partition(&own.topic, own.partition)?))?.epoch;
        (found > Tally::read(&own.note)?.epoch).then_some(found)
    };
    let followed: Vec<_> = waiting.extract_if(.., |waiting| later(&waiting.request).is_some()).collect();
    for waiting in followed {
        if let Some(by) = later(&waiting.request) {
            waiting.answer(Err(NotCommitted::Fenced(format!("another has taken over since, of epoch {by}"))));
        }
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
fn without_notes(error: &KafkaError, waiting: &mut [Waiting]) -> bool {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::OffsetMetadataTooLarge) {
        return false;
    }
    let mut left_out = false;
    for entry in waiting.iter_mut().flat_map(|waiting| &mut waiting.request.entries) {
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
