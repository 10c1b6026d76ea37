//! Who owns which partition of which group in this process, and what it may settle.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use pandaflow::{
    Clock, Epoch, Group, Guarantee, Partition, SystemClock, TopicName,
    ports::{Acquired, Owner},
};
use tokio::sync::{mpsc, watch};

use super::{
    acquire::Found,
    changelog::Table,
    core::Core,
    desk::{Answer, Desk, Request},
    outsider::Outsider,
    settler::{self, Job},
};

/// How long a new owner waits for what the one before has under way.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// Where an owner commits.
pub(super) enum Committer {
    /// As a member of its group.
    Member(Arc<Desk>),
    /// In a group that nobody has joined.
    Outsider(Arc<Outsider>),
}

impl Committer {
    fn hand_in(&self, request: Request) -> Answer {
        match self {
            Self::Member(desk) => desk.hand_in(request),
            Self::Outsider(outsider) => outsider.hand_in(request),
        }
    }
}

/// An owner from its assignment to its end.
pub(super) struct Life {
    pub(super) owner: Owner,
    /// How many partitions the group's topics have.
    pub(super) partitions: u32,
    pub(super) guarantee: Guarantee,
    committer: Committer,
    /// How many events it has handed in, as its ledger counts them.
    pub(super) consumed: AtomicU64,
    /// How often it has handed in.
    pub(super) commits: AtomicU64,
    /// State and failed attempts, as they are in the changelog.
    pub(super) table: Mutex<Table>,
    pub(super) held: Arc<AtomicBool>,
    /// Whether a refusal has not been read by the owner yet: until then it doesn't know what it settles upon.
    pub(super) refused: AtomicBool,
}

impl Life {
    /// Whether it may still settle.
    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Hands something in, to be committed as long as this owner has the partition.
    pub(super) fn hand_in(&self, request: Request) -> Answer {
        self.committer.hand_in(request)
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

/// A group's partition.
type Place = (Group, Partition);

#[derive(Default)]
struct Places {
    seats: HashMap<Place, Arc<Seat>>,
    /// Owners that have lost their right to settle and may still have something under way.
    ending: HashMap<Place, Vec<watch::Receiver<()>>>,
}

impl Places {
    /// Takes the right to settle from whoever sits there.
    fn put_aside(&mut self, place: &Place) {
        let Some(seat) = self.seats.remove(place) else { return };
        seat.life.retire();
        self.ending.entry(place.clone()).or_default().push(seat.ended.clone());
    }

    /// The ends that have not come yet of a place.
    fn ends(&mut self, place: &Place) -> Vec<watch::Receiver<()>> {
        let Some(ends) = self.ending.get_mut(place) else { return Vec::new() };
        // Of one that has ended the sender is gone.
        ends.retain(|end| end.has_changed().is_ok());
        let ends = ends.clone();
        if ends.is_empty() {
            self.ending.remove(place);
        }
        ends
    }
}

/// Earlier owners of a partition that may still have something under way.
pub(super) struct Former(Vec<watch::Receiver<()>>);

impl Former {
    /// Resolves when nothing of any of them is under way any more, or after so long that it has to do.
    pub(super) async fn wait_for(former: impl IntoIterator<Item = Self>) {
        let ends = former.into_iter().flat_map(|former| former.0);
        if tokio::time::timeout(LAST_WORDS, join_all(ends.map(gone))).await.is_err() {
            log::warn!(
                "kafka: an owner still has something under way after {LAST_WORDS:?}: its successor begins"
            );
        }
    }
}

async fn gone(mut end: watch::Receiver<()>) {
    while end.changed().await.is_ok() {}
}

#[derive(Default)]
pub(super) struct Owners {
    places: Mutex<Places>,
    newest: AtomicU64,
    /// What groups of this process read, for telling how far they are behind before they have committed.
    reads: Mutex<BTreeMap<Group, BTreeSet<(TopicName, Partition)>>>,
}

impl Owners {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seat of the partition's owner.
    pub(super) fn seat(&self, group: &Group, partition: Partition) -> Option<Arc<Seat>> {
        self.places().seats.get(&(group.clone(), partition)).cloned()
    }

    /// The partitions that have owners here, or owners that still have something under way.
    pub(super) fn held(&self) -> BTreeSet<(Group, Partition)> {
        let places = self.places();
        let ending =
            places.ending.iter().filter(|(_, ends)| ends.iter().any(|end| end.has_changed().is_ok()));
        places.seats.keys().chain(ending.map(|(place, _)| place)).cloned().collect()
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
        guarantee: Guarantee,
        committer: Committer,
    ) -> Acquired {
        let Found {
            partition,
            partitions,
            progress,
            ledger,
            epoch,
            table,
            applied,
            attempts,
            parked,
            granted,
            ..
        } = found;
        // A state is written before the commit that tells the epoch of its owner, whose clock may be ahead of ours.
        let epoch = granted.unwrap_or_else(|| self.next_epoch(epoch.0.max(table.newest_epoch())));
        let owner = Owner { group: group.clone(), partition, epoch };
        let life = Arc::new(Life {
            owner: owner.clone(),
            partitions,
            guarantee,
            committer,
            consumed: AtomicU64::new(ledger.consumed),
            commits: AtomicU64::new(0),
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
        let place = (group.clone(), partition);
        let mut places = self.places();
        places.put_aside(&place);
        places.seats.insert(place, Arc::new(Seat { life, jobs, ended }));
        drop(places);
        core.has_begun(group, partition);
        Acquired { owner, progress, ledger, attempts, parked, applied }
    }

    /// Ends the right of a partition's owner to settle, if there is one. What it has under way, and what those before it
    /// still have, can be waited for.
    pub(super) fn take(&self, group: &Group, partition: Partition) -> Former {
        let place = (group.clone(), partition);
        let mut places = self.places();
        places.put_aside(&place);
        Former(places.ends(&place))
    }

    /// Ends the right of an owner to settle, if it still has it.
    pub(super) fn retire(&self, owner: &Owner) {
        let place = (owner.group.clone(), owner.partition);
        let mut places = self.places();
        if places.seats.get(&place).is_some_and(|seat| seat.life.owner.epoch == owner.epoch) {
            places.put_aside(&place);
        }
    }

    /// Lets every owner end what it was given.
    pub(super) async fn end_all(&self) {
        let mut places = std::mem::take(&mut *self.places());
        let seats = places.seats.drain().map(|(_, seat)| Former(vec![seat.ended.clone()]));
        let mut former: Vec<Former> = seats.collect();
        former.extend(places.ending.drain().map(|(_, ends)| Former(ends)));
        Former::wait_for(former).await;
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
