//! Exactly-once: one transaction per interval makes the settlements of all owners of a consumer real together.
//!
//! A transaction carries outputs, dead letters, state, counts of attempts, and the offsets that they stand for, with the
//! ranges settled above them and the ledger in their notes. Whoever reads committed records sees all of it or nothing.
//! Each consumer has a producer of its own and a thread that serves its [`Desk`](super::desk::Desk):
//!
//! 1. It takes what has gathered since the last transaction began, after the interval or as soon as much waits.
//! 2. It asks the consumer who it is in its group, *then* looks which owners still have their partitions. A partition goes
//!    to another member in a later generation only, so what is committed under this one can't be an earlier owner's: the
//!    broker refuses the offsets of a generation that is over (KIP-447), and nothing becomes real.
//! 3. It writes the records and waits until the broker has all of them, adds the offsets, commits, and answers.
//!
//! What can go wrong, and what follows:
//!
//! | | |
//! | --- | --- |
//! | a record or the offsets are not taken | the transaction is aborted, the settlements may be tried again |
//! | a record is refused for good | aborted as well; from then on each owner's settlements go by themselves, one record after the other, until it is found: its settlement is refused, the others go on |
//! | the abort has no answer, or the client failed for good | a new producer; its first request ends what the old one left open |
//! | the commit has no answer | a new producer, as above; then the committed note tells whether it became real: each has a number that no other has. Never the same commit again: a late one could end the next transaction |
//! | the producer is fenced | a member (whose name nobody else has) ran out of time: a new producer, and the note tells. An outsider has been replaced: its owner is fenced |
//! | the process dies | the broker aborts after `transaction_timeout`; a successor of the same name does at once |
//!
//! An outsider, which nobody in the group knows, is fenced by name: there is one producer for each of its partitions, called
//! by group and partition, and whoever acquires it anew has the name from then on.

mod client;
mod thread;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pandaflow::{Group, Partition, ports::StoreError};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, ConsumerContext},
};
use tokio::runtime::Handle;

use self::{client::Client, thread::Transactor};
use super::{
    commits::{DeskThread, Standing},
    core::Core,
    desk::Desk,
};

/// How transactions of one consumer are made.
pub(super) struct Setup {
    config: ClientConfig,
    standing: Standing,
    interval: Duration,
    /// For a transaction as a whole.
    timeout: Duration,
    /// For a question.
    request_timeout: Duration,
    /// Where to wait for confirmations.
    runtime: Handle,
    /// A producer that has the name from now on, and the note that was there when it got it: left by whoever acquires a
    /// partition, taken by the thread.
    left: Mutex<Option<(Client, String)>>,
}

impl Setup {
    /// For a member of a group. Its name is that of static membership, if it has one, so that it ends what it left open in an
    /// earlier life; otherwise nobody else ever has it.
    pub(super) fn member(core: &Core, group: &Group) -> Arc<Self> {
        let name = core.config.instance_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let id = format!("{}:{name}", core.names.group(group));
        Self::new(core, id, Standing::Member, core.config.commit_interval)
    }

    /// For the owner of a partition in a group that it has not joined.
    pub(super) fn outsider(
        core: &Core,
        group: &Group,
        partition: Partition,
        interval: Duration,
    ) -> Arc<Self> {
        Self::new(core, format!("{}#{partition}", core.names.group(group)), Standing::Outsider, interval)
    }

    fn new(core: &Core, id: String, standing: Standing, interval: Duration) -> Arc<Self> {
        Arc::new(Self {
            config: core.config.transactional(&id),
            standing,
            interval,
            timeout: core.config.transaction_timeout,
            request_timeout: core.config.request_timeout,
            runtime: core.background.handle(),
            left: Mutex::default(),
        })
    }

    /// Starts the thread. A member's makes its producer by itself, again and again until the broker lets it; an outsider's
    /// does nothing before a producer is left for it.
    pub(super) fn start<C: ConsumerContext + 'static>(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        consumer: Arc<BaseConsumer<C>>,
    ) -> Result<DeskThread, StoreError> {
        let (setup, serving) = (Arc::clone(self), Arc::clone(desk));
        let transactor = Transactor::new(consumer, setup.standing);
        DeskThread::start(desk, "kafka-transactions", move |stop| transactor.serve(&setup, &serving, stop))
    }

    /// Takes over from whoever has had this name so far. `seen` is read then, and given back: the note beside the owner's tally.
    /// Blocks.
    pub(super) fn take_over(
        &self,
        seen: impl FnOnce() -> Result<String, StoreError>,
    ) -> Result<String, StoreError> {
        let client = Client::begin(self)?;
        let note = seen()?;
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some((client, note.clone()));
        Ok(note)
    }

    fn take_what_is_left(&self) -> Option<(Client, String)> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
