//! The writer: the one thread that changes the file. It gathers what waits into one transaction, so that one
//! wait for the disk is shared by all (group commit).

mod acquire;
mod mark;
mod settle;
mod tidy;
mod topics;
mod transaction;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::SqliteConnection;
use pandaflow::ports::StoreError;
use tokio::sync::oneshot;

use super::{
    EmbeddedConfig,
    admission::Owners,
    catalog::Catalog,
    connection::{open_writer, store_error},
    listeners::Listeners,
    place::FolderLock,
    queue::{AcquireJob, Job, Queue, SettleJob},
    threads::Threads,
};
use tidy::Tidying;

/// What the writer works with.
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) file: PathBuf,
    pub(super) config: EmbeddedConfig,
    pub(super) queue: Arc<Queue>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) listeners: Arc<Listeners>,
    pub(super) threads: Arc<Threads>,
    pub(super) owners: Owners,
    pub(super) lock: FolderLock,
}

/// The writer at work.
struct Desk {
    writer: Writer,
    tidying: Tidying,
    scratch: Vec<u8>,
}

impl Writer {
    /// Works until the queue is closed and empty, then lets go of the file and the lock.
    pub(super) fn run(self) {
        // However this ends, nobody waits for an answer for ever.
        let _abandon = Abandon(self.queue.clone());
        let tidying = Tidying::new(self.config.tidy_every);
        let mut desk = Desk { writer: self, tidying, scratch: Vec::new() };
        let mut closed = None;
        while closed.is_none() {
            let writer = &desk.writer;
            let deadline = desk.tidying.due();
            let jobs =
                writer.queue.take(writer.config.transaction_rows, writer.config.transaction_bytes, deadline);
            closed = desk.work(jobs);
            desk.tidy_when_due();
        }
        desk.writer.end();
        if let Some(reply) = closed {
            let _ = reply.send(());
        }
    }

    /// Waits for those who read, copies the write-ahead log into the file, and lets go of the lock last.
    fn end(mut self) {
        self.threads.stop();
        if let Err(error) = self.lock.mark_closed() {
            log::warn!("marking the embedded log as closed: {error}");
        }
        checkpoint(&mut self.connection);
        drop(self.connection);
        drop(self.lock);
    }

    /// After a failed transaction: the old connection may not know whether it is in one.
    fn reconnect(&mut self) {
        if let Ok(connection) = open_writer(&self.file, &self.config) {
            self.connection = connection;
        }
    }
}

impl Desk {
    /// Does jobs in their order, neighbours of one kind together. Returns where to say that it is closed.
    fn work(&mut self, jobs: Vec<Job>) -> Option<oneshot::Sender<()>> {
        let mut settles: Vec<SettleJob> = Vec::new();
        let mut acquires: Vec<AcquireJob> = Vec::new();
        for job in jobs {
            if !matches!(job, Job::Settle(_)) {
                self.settle(std::mem::take(&mut settles));
            }
            if !matches!(job, Job::Acquire(_)) {
                self.acquire(std::mem::take(&mut acquires));
            }
            match job {
                Job::Settle(job) => settles.push(*job),
                Job::Acquire(job) => acquires.push(job),
                Job::CreateTopics(topics, reply) => {
                    let made = self.writer.create_topics(&topics);
                    if made.is_err() {
                        self.writer.reconnect();
                    }
                    let _ = reply.send(made);
                }
                Job::Mark(owner, marks, reply) => {
                    let _ = reply.send(self.mark(&owner, &marks));
                }
                Job::Retire(owner) => {
                    if let Some(group) = self.writer.catalog.group(&owner.group) {
                        self.writer.owners.retire(group, &owner);
                    }
                }
                Job::Tidy(reply) => {
                    let _ = reply.send(self.tidy_all());
                }
                Job::Close(reply) => return Some(reply),
            }
        }
        self.settle(settles);
        self.acquire(acquires);
        None
    }

    fn tidy_all(&mut self) -> Result<(), StoreError> {
        self.tidying.start();
        while self.tidying.step(&mut self.writer)? {}
        Ok(())
    }

    /// One small step of tidying, if one is due.
    fn tidy_when_due(&mut self) {
        if self.tidying.due() > Instant::now() {
            return;
        }
        if let Err(error) = self.tidying.step(&mut self.writer) {
            log::warn!("tidying the embedded log: {}", error.message);
            self.tidying.put_off(Duration::from_secs(60));
            self.writer.reconnect();
        }
    }
}

/// Copies the write-ahead log into the file and empties it, as far as nobody reads it.
fn checkpoint(connection: &mut SqliteConnection) {
    use diesel::connection::SimpleConnection;
    if let Err(error) = connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE);") {
        log::warn!("checkpoint of the embedded log: {error}; the next open does it");
    }
}

/// Drops what waits when the writer ends.
struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// What a closed store answers.
pub(super) fn closed() -> StoreError {
    store_error("it is closed")
}
