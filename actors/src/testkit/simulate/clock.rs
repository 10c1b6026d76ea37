//! The clock of a simulation: it goes on from one life of the process to the next.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pandaflow::{Clock, Timestamp};
use tokio::time::Instant;

use crate::testkit::TestClock;

/// Tells the paused time of the life at hand, counted from where the one before ended.
#[derive(Debug, Default)]
pub(super) struct SimulatedClock(Mutex<Lives>);

#[derive(Debug, Default)]
struct Lives {
    before: Duration,
    began: Option<Instant>,
}

impl SimulatedClock {
    /// Begins a life, on the paused time of this thread's tokio runtime.
    pub(super) fn begin_life(&self) {
        let mut lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lives.began = Some(Instant::now());
    }

    /// Ends it, where it began: outside of it there is no paused time. The clock stands still until the next.
    pub(super) fn end_life(&self) {
        let mut lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lived = lives.began.take().map_or(Duration::ZERO, |began| began.elapsed());
        lives.before += lived;
    }

    /// How long the simulation has run.
    pub(super) fn elapsed(&self) -> Duration {
        let lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lives.before + lives.began.map_or(Duration::ZERO, |began| began.elapsed())
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        TestClock::START.after(self.elapsed())
    }
}
