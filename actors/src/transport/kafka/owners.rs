//! Who owns which partition of which group in this process, and what it may settle.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use pandaflow::{
    Clock, Epoch, Group, Partition, SystemClock, TopicName,
    ports::{Acquired, Owner},
};
use tokio::sync::{mpsc, watch};

use super::{
    acquire::Found,
    changelog::Table,
    commits::{Answer, CommitDesk, Entry},
    core::Core,
    outsider::Outsider,
    settler::{self, Job},
};

/// How long a new owner waits for what the one before has under way.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// Where an owner commits.
pub(super) enum Committer {
    /// As a member of its group.
    Member(Arc<CommitDesk>),
    /// In a group that nobody has joined.
    Outsider(Arc<Outsider>),
}

impl Committer {
    fn commit(&self, entries: Vec<Entry>, held: Arc<AtomicBool>) -> Answer {
        match self {
            Self::Member(desk) => desk.commit(entries, held),
            Self::Outsider(outsider) => outsider.commit(entries, held),
        }
    }
}

/// An owner from its assignment to its end.
pub(super) struct Life {
    pub(super) owner: Owner,
    /// How many partitions the group's topics have.
    pub(super) partitions: u32,
    committer: Committer,
    /// State and failed attempts, as they are in the changelog.
    pub(super) table: Mutex<Table>,
    held: Arc<AtomicBool>,
    /// Whether a refusal has not been read by the owner yet: until then it doesn't know what it settles upon.
    pub(super) refused: AtomicBool,
}

impl Life {
    /// Whether it may still settle.
    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Hands offsets in, to be committed as long as this owner has the partition.
    pub(super) fn commit(&self, entries: Vec<Entry>) -> Answer {
        self.committer.commit(entries, Arc::clone(&self.held))
    }

    pub(super) fn retire(&self) {
        self.held.store(false, Ordering::Release);
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An owner as the ports reach it.
pub(super) struct Seat {
    pub(super) life: Arc<Life>,
    /// Bounded by what its owner has under way.
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    ended: watch::Receiver<()>,
}

#[derive(Default)]
pub(super) struct Owners {
    seats: Mutex<HashMap<(Group, Partition), Arc<Seat>>>,
    newest: AtomicU64,
    /// What groups of this process read, for telling how far they are behind before they have committed.
    reads: Mutex<BTreeMap<Group, BTreeSet<(TopicName, Partition)>>>,
}

impl Owners {
    fn seats(&self) -> MutexGuard<'_, HashMap<(Group, Partition), Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seat of the partition's owner.
    pub(super) fn seat(&self, group: &Group, partition: Partition) -> Option<Arc<Seat>> {
        self.seats().get(&(group.clone(), partition)).cloned()
    }

    /// An epoch above all that this process, the clock and the group know of.
    pub(super) fn next_epoch(&self, above: u64) -> Epoch {
        let now = u64::try_from(SystemClock.now().0).unwrap_or(0).saturating_mul(1000);
        let next = |newest: u64| Some(newest.max(above).saturating_add(1).max(now));
        let before = self.newest.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).unwrap_or_default();
        Epoch(next(before).unwrap_or(u64::MAX))
    }

    /// Begins a new owner of a partition whose earlier one has ended.
    pub(super) fn begin(
        &self,
        core: &Arc<Core>,
        group: &Group,
        found: Found,
        committer: Committer,
    ) -> Acquired {
        let Found {
            partition, partitions, progress, ledger, epoch, table, applied, attempts, granted, ..
        } = found;
        let epoch = granted.unwrap_or_else(|| self.next_epoch(epoch.0));
        let owner = Owner { group: group.clone(), partition, epoch };
        let life = Arc::new(Life {
            owner: owner.clone(),
            partitions,
            committer,
            table: Mutex::new(table),
            held: Arc::new(AtomicBool::new(true)),
            refused: AtomicBool::new(false),
        });
        let (jobs, work) = mpsc::unbounded_channel();
        let (alive, ended) = watch::channel(());
        let (worker, at_work) = (Arc::clone(core), Arc::clone(&life));
        core.background.spawn(async move {
            settler::run(worker, at_work, work).await;
            drop(alive);
        });
        self.reads(group, progress.iter().map(|(topic, _)| (topic.clone(), partition)));
        let former = self.seats().insert((group.clone(), partition), Arc::new(Seat { life, jobs, ended }));
        if let Some(former) = former {
            former.life.retire();
        }
        Acquired { owner, progress, ledger, attempts, applied }
    }

    /// Ends the owner of a partition; resolves when nothing of it is under way any more.
    pub(super) async fn end(&self, group: &Group, partition: Partition) {
        let seat = self.seats().remove(&(group.clone(), partition));
        if let Some(seat) = seat {
            seat.life.retire();
            await_end(seat).await;
        }
    }

    /// Lets an owner settle nothing more, though it stays until what it has under way has come back.
    pub(super) fn stop(&self, owner: &Owner) {
        let seat = self.seat(&owner.group, owner.partition);
        if let Some(seat) = seat.filter(|seat| seat.life.owner.epoch == owner.epoch) {
            seat.life.retire();
        }
    }

    /// Ends the right of an owner to settle, if it still has it.
    pub(super) fn retire(&self, owner: &Owner) {
        let mut seats = self.seats();
        let place = (owner.group.clone(), owner.partition);
        if seats.get(&place).is_some_and(|seat| seat.life.owner.epoch == owner.epoch) {
            let seat = seats.remove(&place);
            drop(seats);
            if let Some(seat) = seat {
                seat.life.retire();
            }
        }
    }

    /// Lets every owner end what it was given.
    pub(super) async fn end_all(&self) {
        let seats: Vec<Arc<Seat>> = self.seats().drain().map(|(_, seat)| seat).collect();
        for seat in seats {
            await_end(seat).await;
        }
    }

    /// Notes what a group reads.
    pub(super) fn reads(&self, group: &Group, partitions: impl Iterator<Item = (TopicName, Partition)>) {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.entry(group.clone()).or_default().extend(partitions);
    }

    /// What a group of this process reads.
    pub(super) fn known_reads(&self, group: &Group) -> BTreeSet<(TopicName, Partition)> {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.get(group).cloned().unwrap_or_default()
    }
}

/// With its seat gone, a worker does what it was given and ends.
async fn await_end(seat: Arc<Seat>) {
    let mut ended = seat.ended.clone();
    drop(seat);
    let gone = async { while ended.changed().await.is_ok() {} };
    if tokio::time::timeout(LAST_WORDS, gone).await.is_err() {
        log::warn!(
            "kafka: an owner still has something under way after {LAST_WORDS:?}: its successor begins"
        );
    }
}
