//! The watch over a client that lives and gets no records, though there are some: it is made anew.
//!
//! A broker that was out of reach for a while may leave a client behind that knows of no leader of a partition any more and
//! never asks again (librdkafka 2.12, when a broker was fenced): it stays a member of its group, and what it owns
//! stands still.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use pandaflow::{Offset, Partition, TopicName, ports::StoreError};

use super::{
    notes::Note,
    seat::{Seat, Stage},
    work::{Broken, Place, Work},
};
use crate::transport::kafka::log_reader::has_any;

/// How long a partition of which records are wanted may give none before the log is asked whether it has some.
const SILENCE: Duration = Duration::from_secs(15);
/// How often to look for such partitions.
const LOOK: Duration = Duration::from_secs(5);

/// A partition that gives nothing.
#[derive(Debug, Clone)]
pub(super) struct Silent {
    place: Place,
    topic: TopicName,
    /// Its seat, so that a late answer is known.
    number: u64,
    next: Offset,
}

/// Where each partition that gives nothing stands, and the end of its log, if there is nothing to read between them.
type Empty = BTreeMap<Place, (Offset, i64)>;

/// What the log has of partitions that gave nothing.
pub(super) struct Heard {
    /// One that has records, if any has.
    kept_back: Option<Silent>,
    empty: Empty,
}

/// What is known of partitions that give nothing.
pub(super) struct Silence {
    due: Instant,
    asking: bool,
    empty: Empty,
}

impl Default for Silence {
    fn default() -> Self {
        Self { due: Instant::now() + LOOK, asking: false, empty: Empty::new() }
    }
}

impl Seat {
    /// Its channels of which records are wanted and none have come for a while.
    fn silent(&self) -> impl Iterator<Item = Silent> {
        let wanted =
            matches!(&self.stage, Stage::Owned(_, wants) if wants.open().0 > 0 && wants.open().1 > 0);
        let channels = self.channels.iter().enumerate().filter(move |(_, channel)| {
            wanted && channel.heard.elapsed() > SILENCE && !channel.filled.load(Ordering::Acquire)
        });
        channels.map(|(input, channel)| Silent {
            place: (self.partition, input),
            topic: channel.topic.clone(),
            number: self.number,
            next: channel.next,
        })
    }
}

impl Work {
    /// Asks the log about partitions that give nothing, now and then.
    pub(super) fn watch_silence(&mut self) {
        if self.silence.asking || self.closing || Instant::now() < self.silence.due {
            return;
        }
        self.silence.due = Instant::now() + LOOK;
        let silent: Vec<Silent> = self.seats.values().flat_map(Seat::silent).collect();
        if silent.is_empty() {
            return;
        }
        self.silence.asking = true;
        let (core, notes) = (Arc::clone(&self.core), Arc::clone(&self.notes));
        let mut empty = std::mem::take(&mut self.silence.empty);
        empty.retain(|place, (next, _)| silent.iter().any(|it| it.place == *place && it.next == *next));
        self.core.background.spawn(async move {
            let asked = Arc::clone(&core);
            let look = core.background.ask(move || {
                let mut kept_back = None;
                for silent in silent {
                    let (_, end) = asked.topics.ends(&silent.topic, silent.place.0.0)?;
                    let next = silent.next;
                    // Between its records a log may have others that nobody reads, such as marks of transactions.
                    if empty.get(&silent.place) == Some(&(next, end)) {
                        continue;
                    }
                    if has_any(&asked, &silent.topic, silent.place.0.0, next)? {
                        kept_back = Some(silent);
                        break;
                    }
                    empty.insert(silent.place, (next, end));
                }
                Ok(Heard { kept_back, empty })
            });
            notes.leave(Note::Heard(look.await));
        });
    }

    /// The log has answered.
    pub(super) fn heard(&mut self, answer: Result<Heard, StoreError>) {
        self.silence.asking = false;
        self.silence.due = Instant::now() + LOOK;
        match answer {
            Ok(Heard { kept_back, empty }) => {
                self.silence.empty = empty;
                if let Some(silent) = kept_back.filter(|silent| self.is_silent_still(silent)) {
                    let Partition(partition) = silent.place.0;
                    let (topic, next) = (&silent.topic, silent.next);
                    self.broken = Some(Broken::Failed(format!(
                        "nothing comes from {topic}[{partition}], which has more from {next} on"
                    )));
                }
            }
            // Whoever can't ask can't read either.
            Err(error) => log::debug!("kafka: {}: {error}", self.request.group),
        }
    }

    fn is_silent_still(&self, silent: &Silent) -> bool {
        let seat = self.seats.get(&silent.place.0).filter(|seat| seat.number == silent.number);
        seat.is_some_and(|seat| seat.silent().any(|now| now.place == silent.place && now.next == silent.next))
    }
}
