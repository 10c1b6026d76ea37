//! The clock of the test kit: it stands still until the test moves it, or until all that runs waits for it.

use pandaflow::{Clock, Timestamp};
use tokio::time::Instant;

/// Tells the paused time of the test's tokio runtime, counted from a fixed instant.
#[derive(Debug, Clone, Copy)]
pub struct TestClock {
    zero: Instant,
}

impl TestClock {
    /// What the clock tells at its start: 2025-01-01T00:00:00Z.
    pub const START: Timestamp = Timestamp(1_735_689_600_000);

    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { zero: Instant::now() }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Self::START.after(self.zero.elapsed())
    }
}
