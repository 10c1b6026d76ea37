//! The desk of one consumer: owners hand in what is to be committed through it, and a thread takes what has gathered.
//!
//! At-least-once that is offsets alone ([`commits`](super::commits)); exactly-once the records that they stand for as well
//! ([`transactions`](super::transactions)).

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use pandaflow::Partition;
use rdkafka::{TopicPartitionList, topic_partition_list::Offset};
use tokio::sync::oneshot;

use super::{record::Outbound, topics::number, unfit::Refusal};

/// An offset to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The topic's name on the broker.
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) note: String,
}

/// Why something was not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotCommitted {
    /// Another has taken over: the group has gone on without this member, or a later owner has begun.
    Fenced(String),
    /// It may be tried again.
    Retry(String),
    /// The broker will never take these of its records.
    Unfit(Vec<Refusal>),
}

impl NotCommitted {
    /// What an owner is told that has lost its partition meanwhile.
    pub(super) fn taken_away() -> Self {
        Self::Fenced("the partition was taken away".into())
    }
}

/// Resolves once it is committed.
pub(super) type Answer = oneshot::Receiver<Result<(), NotCommitted>>;

/// What an owner hands in.
pub(super) struct Request {
    /// Records that become real with the offsets, in their order; none at-least-once, where they are confirmed before.
    pub(super) records: Vec<Outbound>,
    pub(super) entries: Vec<Entry>,
    /// How many events it settles.
    pub(super) events: u64,
    /// Whether the owner still has its partition.
    pub(super) held: Arc<AtomicBool>,
}

impl Request {
    /// The last of the entries is the owner's tally; exactly-once its note is unlike every other.
    pub(super) fn tally(&self) -> Option<&Entry> {
        self.entries.last()
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }
}

/// A request that waits for its answer. Dropped without one, its owner may try again.
pub(super) struct Waiting {
    pub(super) request: Request,
    reply: oneshot::Sender<Result<(), NotCommitted>>,
}

impl Waiting {
    pub(super) fn answer(self, answer: Result<(), NotCommitted>) {
        // Whoever asked may be gone.
        let _ = self.reply.send(answer);
    }
}

/// Answers those whose owner has lost its partition, and takes them out.
pub(super) fn turn_away_the_lost(waiting: &mut Vec<Waiting>) {
    for lost in waiting.extract_if(.., |waiting| !waiting.request.is_held()) {
        lost.answer(Err(NotCommitted::taken_away()));
    }
}

/// The offsets of requests as the client takes them.
pub(super) fn list_of(waiting: &[Waiting]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(waiting.len() * 2);
    // Two owners of one partition, one after the other: the later one says how it is.
    for entry in waiting.iter().rev().flat_map(|waiting| &waiting.request.entries) {
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

#[derive(Default)]
struct Inside {
    /// Handed in and not taken. One for each owner at most, since it waits for the answer.
    waiting: Vec<Waiting>,
    /// Whether something was taken and not answered.
    busy: bool,
    closed: bool,
}

/// Where owners hand in, and the thread takes.
#[derive(Default)]
pub(super) struct Desk {
    inside: Mutex<Inside>,
    filled: Condvar,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands something in, to be committed as long as it is held.
    pub(super) fn hand_in(&self, request: Request) -> Answer {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { request, reply };
        let mut inside = self.lock();
        if inside.closed {
            waiting.answer(Err(NotCommitted::Fenced("the member has left its group".into())));
        } else {
            inside.waiting.push(waiting);
        }
        drop(inside);
        self.filled.notify_one();
        answer
    }

    /// What was not taken of a partition is not committed any more.
    pub(super) fn withdraw(&self, partition: Partition) {
        let is_of = |waiting: &mut Waiting| {
            waiting.request.entries.iter().any(|entry| entry.partition == number(partition.0))
        };
        let withdrawn: Vec<Waiting> = self.lock().waiting.extract_if(.., is_of).collect();
        withdrawn.into_iter().for_each(|waiting| waiting.answer(Err(NotCommitted::taken_away())));
    }

    /// Gives back what was not taken. After a fence nothing is accepted any more.
    pub(super) fn give_back(&self, why: &NotCommitted) {
        let mut inside = self.lock();
        inside.closed = matches!(why, NotCommitted::Fenced(_));
        let given_back = std::mem::take(&mut inside.waiting);
        drop(inside);
        given_back.into_iter().for_each(|waiting| waiting.answer(Err(why.clone())));
    }

    #[cfg(test)]
    pub(super) fn has_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Whether nothing waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        let inside = self.lock();
        inside.waiting.is_empty() && !inside.busy
    }

    /// What waits, once something does and it is `due` or `enough`; `None` when the thread is to stop. What comes after
    /// that goes with the next.
    pub(super) fn take(
        &self,
        stop: &AtomicBool,
        due: Instant,
        enough: impl Fn(&[Waiting]) -> bool,
    ) -> Option<Vec<Waiting>> {
        let mut inside = self.lock();
        inside.busy = false;
        while !stop.load(Ordering::Acquire) {
            let left = due.saturating_duration_since(Instant::now());
            if inside.waiting.is_empty() {
                inside = self.filled.wait(inside).unwrap_or_else(PoisonError::into_inner);
            } else if left.is_zero() || enough(&inside.waiting) {
                inside.busy = true;
                return Some(std::mem::take(&mut inside.waiting));
            } else {
                inside = self.filled.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        None
    }

    /// Tells the thread to stop.
    pub(super) fn stop(&self, stop: &AtomicBool) {
        // Under the lock, or the thread could miss it between its look and its wait.
        let inside = self.lock();
        stop.store(true, Ordering::Release);
        drop(inside);
        self.filled.notify_all();
    }
}
