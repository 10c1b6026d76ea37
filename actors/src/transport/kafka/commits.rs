//! Commits of many owners through one consumer: gathered into one call, answered one by one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pandaflow::Partition;
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    topic_partition_list::Offset,
};
use tokio::sync::oneshot;

use super::bell::Bell;

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
    reply: oneshot::Sender<Result<(), NotCommitted>>,
}

#[derive(Default)]
struct Inside {
    /// Handed in and not sent. One for each owner at most, since it waits for the answer.
    waiting: Vec<Request>,
    /// Sent, and not answered.
    sent: Vec<Request>,
    closed: bool,
}

/// Where owners hand commits in, and the consumer's thread takes them.
#[derive(Default)]
pub(super) struct CommitDesk {
    inside: Mutex<Inside>,
}

impl CommitDesk {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands offsets in.
    pub(super) fn commit(&self, entries: Vec<Entry>, bell: &Bell) -> Answer {
        let (reply, answer) = oneshot::channel();
        let mut inside = self.lock();
        if inside.closed {
            let _ = reply.send(Err(NotCommitted::Fenced("the member has left its group".into())));
        } else {
            inside.waiting.push(Request { entries, reply });
        }
        drop(inside);
        bell.ring();
        answer
    }

    /// Sends what waits, unless an answer is outstanding: what comes meanwhile goes with the next call.
    pub(super) fn send<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) {
        let mut inside = self.lock();
        if !inside.sent.is_empty() || inside.waiting.is_empty() {
            return;
        }
        let requests = std::mem::take(&mut inside.waiting);
        let mut list = TopicPartitionList::with_capacity(requests.len() * 2);
        for entry in requests.iter().flat_map(|request| &request.entries) {
            let mut element = match list.find_partition(&entry.topic, entry.partition) {
                // Two owners of one partition, one after the other: the later one says how it is.
                Some(_) => continue,
                None => list.add_partition(&entry.topic, entry.partition),
            };
            // An offset is never negative.
            let _ = element.set_offset(Offset::Offset(entry.offset.max(0)));
            element.set_metadata(&entry.note);
        }
        inside.sent = requests;
        drop(inside);
        if let Err(error) = consumer.commit(&list, CommitMode::Async) {
            self.answered(&Err(error), &TopicPartitionList::new());
        }
    }

    /// The broker has answered the last call.
    pub(super) fn answered(&self, result: &Result<(), KafkaError>, list: &TopicPartitionList) {
        let requests = std::mem::take(&mut self.lock().sent);
        for Request { entries, reply } in requests {
            let failed = entries.iter().find_map(|entry| {
                let element = list.find_partition(&entry.topic, entry.partition);
                let of_element = element.and_then(|element| element.error().err());
                let error = of_element.or_else(|| result.clone().err())?;
                Some(not_committed(&format!("{}[{}]", entry.topic, entry.partition), &error))
            });
            let _ = reply.send(failed.map_or(Ok(()), Err));
        }
    }

    /// What was not sent of a partition is not sent any more.
    pub(super) fn withdraw(&self, partition: Partition) {
        let is_of = |request: &mut Request| {
            request.entries.iter().any(|entry| entry.partition == super::topics::number(partition.0))
        };
        let withdrawn: Vec<Request> = self.lock().waiting.extract_if(.., is_of).collect();
        for request in withdrawn {
            let _ = request.reply.send(Err(NotCommitted::Fenced("the partition was taken away".into())));
        }
    }

    /// Nothing is committed any more; what is not answered is given back.
    pub(super) fn close(&self, why: &NotCommitted) {
        let mut inside = self.lock();
        inside.closed = matches!(why, NotCommitted::Fenced(_));
        let requests: Vec<Request> =
            std::mem::take(&mut inside.sent).into_iter().chain(std::mem::take(&mut inside.waiting)).collect();
        drop(inside);
        for request in requests {
            let _ = request.reply.send(Err(why.clone()));
        }
    }

    /// Whether nothing waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        let inside = self.lock();
        inside.sent.is_empty() && inside.waiting.is_empty()
    }
}

fn not_committed(place: &str, error: &KafkaError) -> NotCommitted {
    use RDKafkaErrorCode as Code;
    let why = format!("committing {place}: {error}");
    match error.rdkafka_error_code() {
        Some(
            Code::UnknownMemberId
            | Code::IllegalGeneration
            | Code::FencedInstanceId
            | Code::StaleMemberEpoch
            | Code::FencedMemberEpoch
            | Code::AssignmentLost,
        ) => NotCommitted::Fenced(why),
        _ => NotCommitted::Retry(why),
    }
}
