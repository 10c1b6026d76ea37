//! The thread that keeps checkpoints up to date: of partitions that are owned here and tables that are followed, at their
//! beginning, at intervals, and once more when they are given up.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use pandaflow::{TopicName, ports::StoreError};

use super::{
    Checkpoints, Kind, Spot,
    advance::{Haste, Round, advance},
};
use crate::transport::kafka::{core::Core, failure::store_error};

/// How often it looks what is owned, at least.
const LOOK: Duration = Duration::from_secs(1);

/// Until when the last round may go on, once it has begun.
type Deadline = Arc<Mutex<Option<Instant>>>;

/// The thread's handle.
#[derive(Default)]
pub(super) struct Keeper(Mutex<Option<Running>>);

struct Running {
    deadline: Deadline,
    stop: SyncSender<()>,
    ended: Receiver<()>,
}

impl Keeper {
    pub(super) fn start(&self, core: Weak<Core>, interval: Duration) -> Result<(), StoreError> {
        let (stop, stopped) = sync_channel(1);
        let (end, ended) = sync_channel(1);
        let deadline = Deadline::default();
        let mut rounds = Rounds { core, interval, deadline: Arc::clone(&deadline), watched: BTreeMap::new() };
        let run = move || {
            rounds.run(&stopped);
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name("kafka-checkpoints".into())
            .spawn(run)
            .map_err(|error| store_error(format!("starting the thread of its checkpoints: {error}")))?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running { deadline, stop, ended });
        Ok(())
    }

    pub(super) fn stop(&self, patience: Duration) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { deadline, stop, ended }) = running else { return };
        *deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + patience);
        let _ = stop.send(());
        if ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            log::warn!("kafka: closing: checkpoints are not up to date after {patience:?}");
        }
    }
}

struct Watched {
    kind: Kind,
    /// When it is looked at next.
    next: Instant,
}

struct Rounds {
    core: Weak<Core>,
    interval: Duration,
    deadline: Deadline,
    watched: BTreeMap<Spot, Watched>,
}

impl Rounds {
    fn run(&mut self, stopped: &Receiver<()>) {
        loop {
            let ends = stopped.recv_timeout(LOOK.min(self.interval)) != Err(RecvTimeoutError::Timeout);
            let Some(core) = self.core.upgrade() else { return };
            // What is noted is asked first: it is kept by then, or not any more.
            let noted = core.checkpoints.as_ref().map(Checkpoints::noted).unwrap_or_default();
            let kept = core.kept();
            let due = self.due(noted, &kept, Instant::now(), ends);
            for ((topic, kind), partitions) in due {
                let deadline = Arc::clone(&self.deadline);
                let wanted = move || {
                    let deadline = *deadline.lock().unwrap_or_else(PoisonError::into_inner);
                    deadline.is_none_or(|deadline| Instant::now() < deadline)
                };
                let round = Round { topic, kind, partitions, interval: self.interval, wanted: &wanted };
                if let Err(error) = advance(&core, &round) {
                    log::warn!("kafka: checkpoints of topic {}: {error}", round.topic);
                }
            }
            if ends {
                return;
            }
        }
    }

    /// What is to be looked at, by topic. What is not kept any more is so for the last time.
    fn due(
        &mut self,
        noted: BTreeMap<Spot, Kind>,
        kept: &BTreeMap<Spot, Kind>,
        now: Instant,
        ends: bool,
    ) -> BTreeMap<(TopicName, Kind), BTreeMap<u32, Haste>> {
        let mut due: BTreeMap<_, BTreeMap<u32, Haste>> = BTreeMap::new();
        for (spot, kind) in noted {
            self.watched.entry(spot).or_insert(Watched { kind, next: now });
        }
        self.watched.retain(|(topic, partition), watched| {
            let goes = ends || !kept.contains_key(&(topic.clone(), *partition));
            if goes || watched.next <= now {
                watched.next = now + self.interval;
                let haste = if goes { Haste::LastTime } else { Haste::Now };
                due.entry((topic.clone(), watched.kind)).or_default().insert(*partition, haste);
            }
            !goes
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_looked_at_at_once_at_intervals_and_when_it_goes() {
        let interval = Duration::from_secs(60);
        let (deadline, watched) = (Deadline::default(), BTreeMap::new());
        let mut rounds = Rounds { core: Weak::new(), interval, deadline, watched };
        let topic = TopicName::new("g.changelog");
        let kept = |partitions: &[u32]| -> BTreeMap<Spot, Kind> {
            partitions.iter().map(|partition| ((topic.clone(), *partition), Kind::Changelog)).collect()
        };
        let begin = Instant::now();
        let mut due = |noted: &[u32], partitions: &[u32], seconds, ends| {
            let now = begin + Duration::from_secs(seconds);
            let due = rounds.due(kept(noted), &kept(partitions), now, ends);
            due.into_values().flatten().collect::<Vec<_>>()
        };
        assert_eq!(due(&[0], &[0], 0, false), [(0, Haste::Now)]);
        assert_eq!(due(&[1], &[0, 1], 1, false), [(1, Haste::Now)]);
        assert_eq!(due(&[], &[0, 1], 59, false), []);
        assert_eq!(due(&[], &[0, 1], 60, false), [(0, Haste::Now)]);
        assert_eq!(due(&[], &[0], 60, false), [(1, Haste::LastTime)]);
        assert_eq!(due(&[], &[0], 61, false), []);
        assert_eq!(due(&[2], &[0], 61, false), [(2, Haste::LastTime)], "it came and went");
        assert_eq!(due(&[], &[0], 62, true), [(0, Haste::LastTime)]);
        assert_eq!(due(&[], &[], 200, true), []);
    }
}
