//! Bringing checkpoints of a topic up to date: reads what has come to its log, and writes it in lots.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc, time::Duration};

use pandaflow::{Clock, SystemClock, TopicName, ports::StoreError};
use rdkafka::{Message, message::BorrowedMessage};

use super::{
    Checkpoints, Kind, Misfit,
    file::{Change, FileError, Opened},
    fits,
    mark::{Mark, advanced, good_for},
    place::Place,
    row::{Pending, Taken, witness},
    unfit,
};
use crate::transport::kafka::{
    core::Core,
    log_reader::{Stretch, read_stretches},
};

/// Bytes of rows that wait to be written, at most, of all partitions of a topic.
const LOT: usize = 16 << 20;

/// How much it matters that a checkpoint is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// Unless somebody else has seen to it not long ago.
    Now,
    /// Nobody here looks after it from here on.
    LastTime,
}

/// What is to be brought up to date.
pub(super) struct Round<'a> {
    pub(super) topic: TopicName,
    pub(super) kind: Kind,
    pub(super) partitions: BTreeMap<u32, Haste>,
    pub(super) interval: Duration,
    /// Asked while the log is read.
    pub(super) wanted: &'a dyn Fn() -> bool,
}

/// Brings checkpoints up to date, as well as it goes: what is wrong with a file is told. Blocks.
///
/// # Errors
/// The log can't be read.
pub(super) fn advance(core: &Arc<Core>, round: &Round<'_>) -> Result<(), StoreError> {
    let Some(checkpoints) = &core.checkpoints else { return Ok(()) };
    let began = SystemClock.now().0;
    let mut courses = BTreeMap::new();
    for (partition, haste) in &round.partitions {
        if let Some(course) = begin(core, checkpoints, round, *partition, *haste)? {
            courses.insert(*partition, course);
        }
    }
    let marks = courses.iter().filter_map(|(partition, course)| Some((*partition, course.before?))).collect();
    for (partition, why) in unfit(core, &round.topic, &marks) {
        if let Some(mut course) = courses.remove(&partition) {
            checkpoints.give_up(&course.place, &why);
            if let Misfit::Unusable(_) = why {
                course.begin_anew();
                courses.insert(partition, course);
            }
        }
    }
    if courses.is_empty() {
        return Ok(());
    }
    let removals_kept = removals_kept(core, &round.topic)?;
    let stretches: Vec<Stretch> =
        courses.iter().map(|(partition, course)| course.stretch(*partition)).collect();
    let work = Work {
        checkpoints,
        topic: &round.topic,
        on_broker: core.names.topic(&round.topic),
        kind: round.kind,
        began,
        removals_kept,
        courses: RefCell::new(courses),
    };
    let wanted = || (round.wanted)() && work.goes_on();
    read_stretches(core, &round.topic, &stretches, &wanted, |message| work.take_in(message))?;
    work.end((round.wanted)());
    Ok(())
}

/// How long compaction keeps removals of a topic. Blocks.
fn removals_kept(core: &Arc<Core>, topic: &TopicName) -> Result<Duration, StoreError> {
    let (asking, asked) = (Arc::clone(core), topic.clone());
    let patience = core.config.request_timeout * 2;
    core.background.wait_for(async move { asking.topics.removals_kept(&asked).await }, patience)
}

/// What a file has come to, and what is to come; `None` if there is nothing to do, or it can't be done now. Blocks.
fn begin(
    core: &Core,
    checkpoints: &Checkpoints,
    round: &Round<'_>,
    partition: u32,
    haste: Haste,
) -> Result<Option<Course>, StoreError> {
    let (topic, name) = (&round.topic, core.names.topic(&round.topic));
    let place = checkpoints.place(core, topic, partition);
    let (first, _) = core.topics.ends(topic, partition)?;
    let end = core.topics.readable_end(topic, partition)?;
    let read = || Opened::shared(&place, &name, partition)?.map_or(Ok(None), |mut opened| opened.stored());
    let mut before = match read() {
        Ok(stored) => stored.map(|stored| stored.mark),
        Err(error @ FileError::Damaged(_)) => {
            checkpoints.complain(&place, &error);
            None
        }
        Err(error) => {
            checkpoints.complain(&place, &error);
            return Ok(None);
        }
    };
    if let Some(mark) = &before {
        match fits(core, topic, partition, mark) {
            Ok(_) if is_fresh(mark, end, haste, round.interval) => return Ok(None),
            Ok(_) => {}
            Err(why) => {
                checkpoints.give_up(&place, &why);
                if let Misfit::Unknown(_) = why {
                    return Ok(None);
                }
                before = None;
            }
        }
    }
    let pending = Pending::default();
    Ok(Some(Course { place, before, since: before, pending, first, end, course: State::GoesOn }))
}

/// Whether nothing has to be done about a mark.
fn is_fresh(mark: &Mark, end: i64, haste: Haste, interval: Duration) -> bool {
    let age = SystemClock.now().0.saturating_sub(mark.as_of);
    let younger = |than: Duration| u128::try_from(age).unwrap_or(0) < than.as_millis();
    // Where nothing comes, its time alone has to be set now and then.
    (mark.end == end && younger(mark.good_for / 6)) || (haste == Haste::Now && younger(interval / 2))
}

/// A file on its way to the end of its log.
struct Course {
    place: Place,
    /// The mark that the file has now.
    before: Option<Mark>,
    /// The one that it had when the reading began.
    since: Option<Mark>,
    pending: Pending,
    first: i64,
    end: i64,
    course: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    GoesOn,
    /// There is a record that can't be summed up: up to there, and no further.
    Stopped,
    /// Its file can't be written.
    Failed,
}

impl Course {
    fn begin_anew(&mut self) {
        (self.before, self.since) = (None, None);
    }

    fn stretch(&self, partition: u32) -> Stretch {
        Stretch { partition, from: self.before.map_or(0, |mark| mark.next()).max(self.first), end: self.end }
    }
}

/// A round under way.
struct Work<'a> {
    checkpoints: &'a Checkpoints,
    topic: &'a TopicName,
    on_broker: String,
    kind: Kind,
    began: i64,
    removals_kept: Duration,
    courses: RefCell<BTreeMap<u32, Course>>,
}

impl Work<'_> {
    fn goes_on(&self) -> bool {
        self.courses.borrow().values().any(|course| course.course == State::GoesOn)
    }

    fn take_in(&self, message: &BorrowedMessage<'_>) {
        let mut courses = self.courses.borrow_mut();
        let Some(partition) = u32::try_from(message.partition()).ok() else { return };
        let Some(course) = courses.get_mut(&partition) else { return };
        if course.course != State::GoesOn {
            return;
        }
        match self.kind.take(self.topic, message) {
            Taken::Row(row) => course.pending.take_in(*row),
            Taken::Nothing => {}
            Taken::Unknown => {
                self.checkpoints.tell(
                    &course.place,
                    "it ends before a record that this program doesn't know: a newer one wrote it, or somebody else",
                );
                course.course = State::Stopped;
                return;
            }
        }
        course.pending.last = Some(witness(message));
        if courses.values().map(|course| course.pending.bytes()).sum::<usize>() > LOT {
            for (partition, course) in courses.iter_mut() {
                self.write(*partition, course, None);
            }
        }
    }

    /// Writes what is left. Only what was read to its end is known to be as new as this round.
    fn end(&self, whole: bool) {
        for (partition, course) in self.courses.borrow_mut().iter_mut() {
            let end = (whole && course.course == State::GoesOn).then_some(course.end);
            self.write(*partition, course, end);
        }
    }

    fn write(&self, partition: u32, course: &mut Course, end: Option<i64>) {
        let last = course.pending.last.or(course.before.map(|mark| mark.last));
        let (Some(last), false) = (last, course.course == State::Failed) else { return };
        let good_for = good_for(self.removals_kept);
        let mark = advanced(course.since.as_ref(), last, end, self.began, good_for);
        if course.before == Some(mark) {
            return;
        }
        let kept = i64::try_from(self.removals_kept.as_millis()).unwrap_or(i64::MAX);
        let tidy = (self.began.saturating_sub(kept), course.first);
        let change = Change { before: course.before, mark, tidy };
        let rows = course.pending.drain();
        let written = Opened::claimed(&course.place, &self.on_broker, partition)
            .and_then(|mut opened| opened.change(&change, rows));
        match written {
            Ok(()) => {
                course.before = Some(mark);
                self.checkpoints.is_well(&course.place);
            }
            Err(error) => {
                course.course = State::Failed;
                match error {
                    // Somebody else keeps it as well, and was first.
                    FileError::InUse => {
                        log::debug!("kafka: checkpoint {}: {error}", course.place.file.display());
                    }
                    error => self.checkpoints.complain(&course.place, &error),
                }
            }
        }
    }
}
