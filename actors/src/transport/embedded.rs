//! The embedded transport: log, progress, state, dedup marks and dead letters in one SQLite file. No server.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().join("data");
//! use pandaflow_actors::transport::embedded::{EmbeddedConfig, EmbeddedTransport};
//! let transport = EmbeddedTransport::open(folder, EmbeddedConfig::default())?;
//! # Ok(())
//! # }
//! ```
//!
//! # Who does what
//! - One **writer** thread changes the file. It takes what waits, up to [`EmbeddedConfig::transaction_rows`], and makes it
//!   real in one transaction, so that many settlements share one wait for the disk (group commit). With
//!   `synchronous=FULL` what is confirmed survives a power cut, and with more reason a `kill -9`.
//! - Each **subscription** has a thread with a read-only connection. It is woken by commits and by demand and reads pages
//!   of the log up to the demand.
//! - Two **reader** threads: one for state and dedup marks, which events wait for, one for reports and tables.
//!
//! # What is kept
//! - A settlement is written whole or not at all. One that fails is given back; those of the same owner that were called
//!   meanwhile fail too, those of others are not touched.
//! - Epochs are stored, one per group and partition, and rise with each [`acquire`]. A partition that was given back
//!   settles nothing more.
//! - Dedup leases are in memory, marks in the file. After a crash nobody handles anything, so no lease is missed.
//! - A table is held in memory, one record a key, and changes right after the commit.
//! - The file does not shrink; what is pruned makes room for what comes. Records that a group has not settled are
//!   kept for ever, so a group that will never come back holds up the retention of its topics.
//!
//! # One process, sound files
//! A lock file beside keeps a second process out; the kernel frees it when a process dies. Before the file is opened for
//! writing it is checked, and a damaged one is refused and left as it is. Up to [`EmbeddedConfig::full_check_bytes`] every
//! page and every row is looked at; every row carries a checksum, so that in a larger file damage is found
//! when it is read, at the latest. One kind of damage can't be told from a power cut: a write-ahead log that is cut off, or
//! whose last transaction is damaged, opens without what was lost. [`EmbeddedReport`] reads a folder from outside while
//! a process runs on it.
//!
//! [`acquire`]: pandaflow::ports::SettlementStore::acquire

mod admission;
mod bell;
mod by_settings;
mod catalog;
mod check;
mod config;
mod connection;
mod create;
mod dead_letters;
mod dedup;
mod delivery;
#[cfg(feature = "testkit")]
mod faults;
mod inner;
mod lag;
mod latch;
mod leases;
mod listeners;
mod log_id;
mod open_error;
mod place;
mod queue;
mod reader;
mod remove;
mod report;
mod rows;
mod schema;
mod settlement;
mod source;
mod states;
mod tables;
mod threads;
mod writer;

pub use config::EmbeddedConfig;
#[cfg(feature = "testkit")]
pub use faults::Faults;
pub use open_error::OpenError;
pub use report::EmbeddedReport;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use diesel::SqliteConnection;
use futures_util::future::{self, BoxFuture, FutureExt};
use pandaflow::{
    Group,
    policy::ledger::Ledger,
    ports::{
        DeadLetterStore, DedupStore, Lag, SettlementStore, Source, StateStore, StoreError, TableSource,
        TopicToCreate, Transport,
    },
};
use tokio::sync::oneshot;

use super::{checksum, headers_codec};
use admission::Owners;
use catalog::Catalog;
use inner::Inner;
use listeners::Listeners;
use place::{FolderLock, Place};
use queue::{Job, Queue};
use reader::Reader;
use threads::Threads;
use writer::{Writer, closed};

/// The embedded transport.
pub struct EmbeddedTransport(Arc<Inner>);

impl EmbeddedTransport {
    /// Opens the data in a folder (its file is `pandaflow.db`) or a file that ends in `.db`, and makes it if there
    /// is none. What was committed before a crash is there.
    ///
    /// # Errors
    /// Another process has it, it is damaged or not ours, or the disk says no. The files are then as they were.
    pub fn open(path: impl AsRef<Path>, config: EmbeddedConfig) -> Result<Self, OpenError> {
        let place = Place::of(path.as_ref());
        let lock = place.lock()?;
        if place.file.exists() {
            check::check(&place, &lock, config.full_check_bytes)?;
        } else {
            create::create(&place, &lock)?;
        }
        let database = |message| OpenError::Database { file: place.file.clone(), message };
        let mut connection = connection::open_writer(&place.file, &config).map_err(database)?;
        create::migrate(&mut connection).map_err(database)?;
        create::first_commit(&mut connection).map_err(database)?;
        lock.mark_open().map_err(|source| OpenError::Io { path: place.folder.clone(), source })?;
        start(&place, config, lock, connection).map_err(database)
    }

    /// Deletes now what is past its retention, without waiting for the next pass in the background.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub fn tidy(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.ask(Job::Tidy)
    }

    fn ask(&self, job: impl FnOnce(queue::Reply<()>) -> Job) -> BoxFuture<'static, Result<(), StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.push(job(reply));
        answer.map(|answer| answer.unwrap_or_else(|_| Err(closed()))).boxed()
    }
}

/// Starts the threads.
fn start(
    place: &Place,
    config: EmbeddedConfig,
    lock: FolderLock,
    mut connection: SqliteConnection,
) -> Result<EmbeddedTransport, String> {
    let text = |error: StoreError| error.message;
    let catalog = Arc::new(Catalog::load(&mut connection).map_err(text)?);
    let owners = Owners::load(&mut connection).map_err(text)?;
    let queue = Arc::new(Queue::new(&config));
    let (listeners, threads) = (Arc::<Listeners>::default(), Arc::<Threads>::default());
    let lookups = Reader::start(&place.file, "pandaflow-lookups", &threads)?;
    let reports = Reader::start(&place.file, "pandaflow-reports", &threads)?;
    let writer = Writer {
        connection,
        file: place.file.clone(),
        config,
        queue: queue.clone(),
        catalog: catalog.clone(),
        listeners: listeners.clone(),
        threads: threads.clone(),
        owners,
        lock,
    };
    let writer =
        threads::spawn("pandaflow-writer", move || writer.run()).map_err(|error| error.to_string())?;
    Ok(EmbeddedTransport(Arc::new(Inner {
        file: place.file.clone(),
        queue,
        catalog,
        listeners,
        threads,
        lookups,
        reports,
        subscriptions: Mutex::default(),
        writer: Mutex::new(Some(writer)),
    })))
}

impl Transport for EmbeddedTransport {
    fn create_topics(&self, topics: Vec<TopicToCreate>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.ask(|reply| Job::CreateTopics(topics, reply))
    }

    fn source(&self) -> Arc<dyn Source> {
        Arc::new(source::EmbeddedSource(self.0.clone()))
    }

    fn settlement(&self) -> Arc<dyn SettlementStore> {
        Arc::new(settlement::EmbeddedSettlement(self.0.clone()))
    }

    fn states(&self) -> Arc<dyn StateStore> {
        Arc::new(states::EmbeddedStates(self.0.clone()))
    }

    fn dedup(&self) -> Arc<dyn DedupStore> {
        Arc::new(dedup::EmbeddedDedup(self.0.clone()))
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetterStore> {
        Arc::new(dead_letters::EmbeddedDeadLetters(self.0.clone()))
    }

    fn tables(&self) -> Arc<dyn TableSource> {
        Arc::new(tables::EmbeddedTables(self.0.clone()))
    }

    /// The lag in every topic that a group has subscribed to, now or before.
    fn lag(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<Lag>, StoreError>> {
        let reading = self.0.reading();
        self.0.reports.run(move |connection| {
            let wants = |name: &str| groups.iter().any(|group| group.as_str() == name);
            lag::lag(connection, wants, &reading)
        })
    }

    fn ledgers(&self, groups: Vec<Group>) -> BoxFuture<'static, Result<Vec<(Group, Ledger)>, StoreError>> {
        self.0.reports.run(move |connection| lag::ledgers(connection, groups))
    }

    /// Writes what was queued, stops all threads and lets go of the file: nothing but it is left, and another
    /// process may open it. Subscriptions end without a word; close them before.
    fn close(&self) -> BoxFuture<'static, ()> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.push_last(Job::Close(reply));
        // The thread ends right after its answer; nobody needs to wait for that.
        drop(self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take());
        answer.then(|_| future::ready(())).boxed()
    }
}
