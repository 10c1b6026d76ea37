//! Checkpoints: what changelogs and tables add up to, in files of this machine, so that a process that starts again reads
//! only what came to the logs since.
//!
//! A file is made by reading the log and from nothing else, so it is never ahead of it. Who reads it looks first whether the log
//! still has the record that was read last. Whatever is wrong with a file, the log is read from its beginning.

mod advance;
mod file;
mod glance;
mod keeper;
mod mark;
mod place;
mod row;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pandaflow::{
    Clock, SystemClock, TopicName,
    ports::{Restored, StoreError, TableView},
};

pub(super) use self::row::{Kind, Row};
use self::{
    file::{FileError, Opened, Stored},
    keeper::Keeper,
    mark::{Mark, Unusable},
    place::Place,
};
use super::core::Core;

/// Where checkpoints are kept, and how often they are brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// The folder that they lie in. Processes of one machine may share it.
    pub folder: PathBuf,
    /// How far apart two looks at what has come to a log are. Default: 60 s.
    pub interval: Duration,
    /// How long closing a transport waits for the last look. Default: 5 s.
    pub at_end: Duration,
}

impl CheckpointConfig {
    /// In this folder, with the default interval.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), interval: Duration::from_secs(60), at_end: Duration::from_secs(5) }
    }
}

/// How many records have been read to bring back state and tables.
#[derive(Debug, Default)]
pub(super) struct Counts {
    checkpoint: AtomicU64,
    log: AtomicU64,
}

impl Counts {
    pub(super) fn add(&self, more: Restored) {
        self.checkpoint.fetch_add(more.from_checkpoint, Ordering::Relaxed);
        self.log.fetch_add(more.from_log, Ordering::Relaxed);
    }

    pub(super) fn so_far(&self) -> Restored {
        Restored {
            from_checkpoint: self.checkpoint.load(Ordering::Relaxed),
            from_log: self.log.load(Ordering::Relaxed),
        }
    }
}

/// A topic's partition.
pub(super) type Spot = (TopicName, u32);

/// The checkpoints of a transport.
pub(super) struct Checkpoints {
    config: CheckpointConfig,
    keeper: Keeper,
    /// Tables that are followed here, as long as somebody looks at them.
    tables: Mutex<Vec<Followed>>,
    /// What has been kept since the keeper looked last, also if that is over by now.
    noted: Mutex<BTreeMap<Spot, Kind>>,
    /// What was told of a file last: once is enough.
    told: Mutex<HashMap<PathBuf, String>>,
}

struct Followed {
    topic: TopicName,
    partitions: u32,
    view: Weak<dyn TableView>,
}

/// A checkpoint that fits its log.
pub(super) struct Sound {
    place: Place,
    opened: Opened,
    stored: Stored,
    /// Where the log begins.
    first: i64,
}

impl Checkpoints {
    pub(super) fn new(config: CheckpointConfig) -> Self {
        Self {
            config,
            keeper: Keeper::default(),
            tables: Mutex::default(),
            noted: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Starts to keep them up to date, as long as the core is there.
    pub(super) fn start(&self, core: Weak<Core>) -> Result<(), StoreError> {
        self.keeper.start(core, self.config.interval)
    }

    /// Brings the checkpoints of what is given up up to date, if that can be done soon, and stops. Blocks.
    pub(super) fn stop(&self) {
        self.keeper.stop(self.config.at_end);
    }

    /// A table is followed from here on.
    pub(super) fn follow(&self, topic: &TopicName, partitions: u32, view: Weak<dyn TableView>) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.retain(|known| known.view.strong_count() > 0);
        tables.push(Followed { topic: topic.clone(), partitions, view });
        drop(tables);
        (0..partitions).for_each(|partition| self.note((topic.clone(), partition), Kind::Table));
    }

    /// A partition is kept from here on.
    pub(super) fn note(&self, spot: Spot, kind: Kind) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(spot, kind);
    }

    /// What has been noted since this was asked last.
    fn noted(&self) -> BTreeMap<Spot, Kind> {
        std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The partitions of tables that somebody looks at.
    pub(super) fn followed(&self) -> Vec<(TopicName, u32)> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let there = tables.iter().filter(|followed| followed.view.strong_count() > 0);
        let partitions =
            |followed: &Followed| (0..followed.partitions).map(|n| (followed.topic.clone(), n)).collect();
        there.flat_map(|followed| -> Vec<_> { partitions(followed) }).collect()
    }

    fn place(&self, core: &Core, topic: &TopicName, partition: u32) -> Place {
        Place::of(&self.config.folder, &core.names.topic(topic), partition)
    }

    /// The checkpoints of these partitions that there are and that fit their logs. Others are told with the reason, and
    /// forgotten. Blocks.
    pub(super) fn find(&self, core: &Core, topic: &TopicName, partitions: &[u32]) -> BTreeMap<u32, Sound> {
        let opened = partitions.iter().filter_map(|partition| {
            let opened = self.open(core, topic, *partition);
            opened.map(|opened| (*partition, opened))
        });
        let mut opened: BTreeMap<u32, Sound> = opened.collect();
        let marks = opened.iter().map(|(partition, sound)| (*partition, sound.stored.mark)).collect();
        for (partition, why) in unfit(core, topic, &marks) {
            if let Some(Sound { place, opened, .. }) = opened.remove(&partition) {
                drop(opened);
                self.give_up(&place, &why);
            }
        }
        opened
    }

    fn open(&self, core: &Core, topic: &TopicName, partition: u32) -> Option<Sound> {
        let place = self.place(core, topic, partition);
        let name = core.names.topic(topic);
        let read = || -> Result<_, FileError> {
            let Some(mut opened) = Opened::shared(&place, &name, partition)? else { return Ok(None) };
            Ok(opened.stored()?.map(|stored| (opened, stored)))
        };
        let (opened, stored) = read().unwrap_or_else(|error| {
            self.complain(&place, &error);
            None
        })?;
        match fits(core, topic, partition, &stored.mark) {
            Ok(first) => Some(Sound { place, opened, stored, first }),
            Err(why) => {
                drop(opened);
                self.give_up(&place, &why);
                None
            }
        }
    }

    /// Reads the rows of a checkpoint; where the log is to be read from, or `None` if what was told by then is to be forgotten.
    pub(super) fn load(&self, sound: Sound, mut each: impl FnMut(Row)) -> Option<i64> {
        let Sound { place, mut opened, stored, first } = sound;
        let loaded = opened.load(&stored, |row| {
            // What the log has thrown away is gone with or without a checkpoint.
            if row.offset >= first || row.overwritten {
                each(row);
            }
        });
        drop(opened);
        match loaded {
            Ok(()) => Some(stored.mark.next()),
            Err(error) => {
                self.complain(&place, &error);
                None
            }
        }
    }

    /// A file can't be used. A damaged one is thrown away.
    fn complain(&self, place: &Place, error: &FileError) {
        if let FileError::Damaged(_) = error {
            self.tell(place, &format!("{error}: it is thrown away, and the log read from its beginning"));
            self.remove(place);
        } else {
            self.tell(place, &format!("it is not used: {error}"));
        }
    }

    /// A file is of no use for its log.
    fn give_up(&self, place: &Place, why: &Misfit) {
        match why {
            Misfit::Unusable(why) => {
                log::info!("kafka: checkpoint {} is thrown away: {why}", place.file.display());
                self.remove(place);
            }
            Misfit::Unknown(error) => self.tell(place, &format!("it is not used: {error}")),
        }
    }

    fn tell(&self, place: &Place, what: &str) {
        let before =
            self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(place.file.clone(), what.into());
        if before.is_none_or(|before| before != what) {
            log::warn!("kafka: checkpoint {}: {what}", place.file.display());
        }
    }

    fn is_well(&self, place: &Place) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(&place.file);
    }

    fn remove(&self, place: &Place) {
        let removed = place.claim().and_then(|claimed| match claimed {
            Some(_lock) => place.remove(),
            // Who has it finds out as well.
            None => Ok(()),
        });
        if let Err(error) = removed {
            log::warn!("kafka: checkpoint {} can't be thrown away: {error}", place.file.display());
        }
    }
}

/// Why a checkpoint doesn't go with its log.
enum Misfit {
    Unusable(Unusable),
    /// Nobody can tell now.
    Unknown(StoreError),
}

/// Whether a checkpoint can be of this log; where the log begins. Blocks.
fn fits(core: &Core, topic: &TopicName, partition: u32, mark: &Mark) -> Result<i64, Misfit> {
    mark.fits_clock(SystemClock.now().0).map_err(Misfit::Unusable)?;
    let span = core.topics.ends(topic, partition).map_err(Misfit::Unknown)?;
    mark.fits_span(span).map_err(Misfit::Unusable)?;
    Ok(span.0)
}

/// Those of which the log has another record at the place that was read last, or none. Blocks.
fn unfit(core: &Core, topic: &TopicName, marks: &BTreeMap<u32, Mark>) -> Vec<(u32, Misfit)> {
    let places = marks.iter().map(|(partition, mark)| (*partition, mark.last.offset)).collect();
    let found = match glance::records_at(core, topic, &places) {
        Ok(found) => found,
        Err(error) => {
            let unknown = |partition: &u32| (*partition, Misfit::Unknown(error.clone()));
            return marks.keys().map(unknown).collect();
        }
    };
    let borne_out = |(partition, mark): (&u32, &Mark)| {
        let why = mark.is_borne_out_by(found.get(partition).copied()).err()?;
        Some((*partition, Misfit::Unusable(why)))
    };
    marks.iter().filter_map(borne_out).collect()
}
