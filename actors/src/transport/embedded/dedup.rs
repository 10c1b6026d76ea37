//! Dedup: leases in memory over marks in the file.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diesel::prelude::*;
use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    EventId, Group, Timestamp,
    ports::{Claim, DedupStore, Mark, Owner, Standing, StoreError, Verdict},
};

use tokio::sync::oneshot;

use super::{
    connection::failed, inner::Inner, leases::Leases, queue::Job, rows::DedupRow, schema::dedup,
    writer::closed,
};

/// Remembers which events a group has handled, or is handling.
pub(super) struct EmbeddedDedup(pub(super) Arc<Inner>);

fn lock(leases: &Mutex<Leases>) -> MutexGuard<'_, Leases> {
    leases.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DedupStore for EmbeddedDedup {
    fn claim(&self, claim: Claim) -> BoxFuture<'static, Result<Vec<Verdict>, StoreError>> {
        let listeners = self.0.listeners.clone();
        let group = self.0.catalog.group(&claim.owner.group);
        // Leases come first, then marks: an event that ends in between has its mark committed before its lease ends.
        let held = lock(&listeners.leases).claim(&claim);
        let Some(group) = group else {
            let verdicts = held.into_iter().map(|until| verdict(until, false)).collect();
            return std::future::ready(Ok(verdicts)).boxed();
        };
        self.0
            .lookups
            .run(move |connection| {
                let done = marked(connection, group, &claim, &held);
                let mut leases = lock(&listeners.leases);
                match done {
                    Ok(done) => {
                        let ended = pick(&claim.ids, &done);
                        leases.end(&claim.owner, &ended);
                        // An id that stands twice is leased by its first place; if it is done, both are.
                        let verdict = |((id, until), done): ((&EventId, Option<Timestamp>), bool)| match until
                        {
                            Some(_) if ended.contains(id) => Verdict::Done,
                            until => verdict(until, done),
                        };
                        Ok(claim.ids.iter().zip(held).zip(done).map(verdict).collect())
                    }
                    Err(error) => {
                        let ours: Vec<bool> = held.iter().map(Option::is_none).collect();
                        leases.end(&claim.owner, &pick(&claim.ids, &ours));
                        Err(error)
                    }
                }
            })
            .boxed()
    }

    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<Standing, StoreError>> {
        let (reply, answer) = oneshot::channel();
        // If the queue is closed, the job is dropped and with it the reply: the caller sees that.
        self.0.queue.push(Job::Mark(owner, marks, reply));
        answer.map(|answer| answer.unwrap_or_else(|_| Err(closed()))).boxed()
    }

    fn done(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        lock(&self.0.listeners.leases).end(&owner, &ids);
        std::future::ready(Ok(())).boxed()
    }

    fn release(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        lock(&self.0.listeners.leases).end(&owner, &ids);
        std::future::ready(Ok(())).boxed()
    }

    fn fence(&self, group: Group, owner: Owner) -> BoxFuture<'static, Result<Standing, StoreError>> {
        let standing = lock(&self.0.listeners.leases).fence(&group, &owner);
        std::future::ready(Ok(standing)).boxed()
    }
}

fn verdict(held: Option<Timestamp>, done: bool) -> Verdict {
    match held {
        Some(until) => Verdict::Leased { until },
        None if done => Verdict::Done,
        None => Verdict::Fresh,
    }
}

fn pick(ids: &[EventId], flags: &[bool]) -> Vec<EventId> {
    ids.iter().zip(flags).filter(|(_, flag)| **flag).map(|(id, _)| *id).collect()
}

/// Which of the ids that no lease holds are marked as done.
fn marked(
    connection: &mut SqliteConnection,
    group: i32,
    claim: &Claim,
    held: &[Option<Timestamp>],
) -> Result<Vec<bool>, StoreError> {
    let rows = connection
        .transaction(|connection| {
            let read = |(id, held): (&EventId, &Option<Timestamp>)| match held {
                Some(_) => Ok(None),
                None => {
                    dedup::table.find((group, &id.0.as_bytes()[..])).first::<DedupRow>(connection).optional()
                }
            };
            claim.ids.iter().zip(held).map(read).collect::<QueryResult<Vec<_>>>()
        })
        .map_err(failed("reading dedup marks"))?;
    rows.into_iter()
        .map(|row| Ok(row.map(DedupRow::checked).transpose()?.is_some_and(|row| row.expires() > claim.now)))
        .collect()
}
