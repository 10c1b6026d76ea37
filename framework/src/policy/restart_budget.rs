//! How often a part may be restarted before its failure is its parent's.

use std::{collections::VecDeque, time::Duration};

/// Restarts within a sliding window, with a wait that doubles.
///
/// Times are durations since any fixed instant of the caller's, so that there is no clock in here.
///
/// ```
/// use std::time::Duration;
/// use pandaflow::policy::restart_budget::{RestartBudget, RestartLimits, Restart};
/// let limits = RestartLimits { restarts: 2, window: Duration::from_secs(60), base: Duration::from_millis(100), cap: Duration::from_secs(5) };
/// let mut budget = RestartBudget::new(limits);
/// assert_eq!(budget.failed(Duration::from_secs(1)), Restart::After(Duration::from_millis(100)));
/// assert_eq!(budget.failed(Duration::from_secs(2)), Restart::After(Duration::from_millis(200)));
/// assert_eq!(budget.failed(Duration::from_secs(3)), Restart::Escalate);
/// ```
#[derive(Debug, Clone)]
pub struct RestartBudget {
    limits: RestartLimits,
    failures: VecDeque<Duration>,
}

/// The limits of a [`RestartBudget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartLimits {
    /// Restarts allowed within the window; 10 by default.
    pub restarts: usize,
    /// The window; 60 s by default.
    pub window: Duration,
    /// The first wait; 100 ms by default.
    pub base: Duration,
    /// The longest wait; 10 s by default.
    pub cap: Duration,
}

impl Default for RestartLimits {
    fn default() -> Self {
        Self {
            restarts: 10,
            window: Duration::from_secs(60),
            base: Duration::from_millis(100),
            cap: Duration::from_secs(10),
        }
    }
}

/// What follows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Start it anew after this wait.
    After(Duration),
    /// Too many: the parent fails.
    Escalate,
}

impl RestartBudget {
    /// A budget that nothing has been taken from.
    #[must_use]
    pub fn new(limits: RestartLimits) -> Self {
        Self { limits, failures: VecDeque::new() }
    }

    /// Counts a failure at `now`.
    pub fn failed(&mut self, now: Duration) -> Restart {
        while self.failures.front().is_some_and(|then| now.saturating_sub(*then) > self.limits.window) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        if self.failures.len() > self.limits.restarts {
            return Restart::Escalate;
        }
        let doublings = u32::try_from(self.failures.len() - 1).unwrap_or(u32::MAX).min(31);
        Restart::After(self.limits.base.saturating_mul(1 << doublings).min(self.limits.cap))
    }

    /// Failures within the window, as of the last one.
    #[must_use]
    pub fn recent(&self) -> usize {
        self.failures.len()
    }
}
