//! When a failed attempt is tried again, where it waits for that, and when it is given up on.

use std::time::Duration;

use crate::{ErrorClass, Failure, RetryRule};

mod multiplier;
mod overrides;

pub use self::{multiplier::Multiplier, overrides::RetryOverrides};

crate::choice! {
    /// How a wait is drawn from its range, so that what failed together does not come again together.
    pub enum Jitter {
        /// Evenly from zero to the longest wait. The default.
        Full = "full",
        /// Not at all: each wait is the longest.
        None = "none",
    }
}

/// Attempts and waits for one error class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// How many attempts in all, the first included; 0 and 1 are both "no retry".
    pub attempts: u32,
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// By how much the longest wait grows from one attempt to the next; 2 by default.
    pub multiplier: Multiplier,
    /// How a wait is drawn from its range; [`Jitter::Full`] by default.
    pub jitter: Jitter,
    /// The longest wait that is spent in the lane, with the key held up there; 1 s by default. A longer one parks the key.
    pub in_place: Duration,
    /// After this many failed attempts every further wait is parked, however short; `None` by default: only the long ones.
    pub park_after: Option<u32>,
    /// Once this long has passed since the first failed attempt, or would have at the next attempt, the event is given up
    /// on, whatever attempts are left; `None` by default: only the attempts count.
    pub give_up_after: Option<Duration>,
}

impl Backoff {
    /// The longest wait that is spent in the lane where nothing else is said.
    pub const DEFAULT_IN_PLACE: Duration = Duration::from_secs(1);

    /// Attempts and waits as given, and everything else as it is by default.
    #[must_use]
    pub const fn new(attempts: u32, base: Duration, cap: Duration) -> Self {
        Self {
            attempts,
            base,
            cap,
            multiplier: Multiplier::TWO,
            jitter: Jitter::Full,
            in_place: Self::DEFAULT_IN_PLACE,
            park_after: None,
            give_up_after: None,
        }
    }

    /// The longest wait after failed attempt number `attempt` (from 1): `min(cap, base × multiplier^(attempt-1))`.
    #[must_use]
    pub fn longest(&self, attempt: u32) -> Duration {
        self.multiplier.grown(self.base, attempt.saturating_sub(1), self.cap)
    }

    fn wait(&self, attempt: u32, random: u64) -> Duration {
        let longest = self.longest(attempt);
        match self.jitter {
            Jitter::None => longest,
            Jitter::Full => {
                let nanos = u128::from(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX));
                let drawn = nanos * u128::from(random) / u128::from(u64::MAX);
                Duration::from_nanos(u64::try_from(drawn).unwrap_or(u64::MAX))
            }
        }
    }

    fn changed_by(&mut self, rule: &RetryRule) {
        self.attempts = rule.attempts.unwrap_or(self.attempts);
        self.base = rule.base.unwrap_or(self.base);
        self.cap = rule.cap.unwrap_or(self.cap);
        self.multiplier = rule.multiplier.unwrap_or(self.multiplier);
        self.jitter = rule.jitter.unwrap_or(self.jitter);
        self.in_place = rule.in_place.unwrap_or(self.in_place);
        self.park_after = rule.park_after.or(self.park_after);
        self.give_up_after = rule.give_up_after.or(self.give_up_after);
    }
}

/// The retry policy of a processor: one [`Backoff`] per error class.
///
/// The wait before attempt n + 1 is drawn evenly from zero to `min(cap, base × multiplier^(n-1))` ("full jitter": Brooker,
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). Where the error carries a `retry_after`, that is the
/// least wait, also beyond the cap (RFC 9110, 10.2.3: whoever asks again before that only asks too often again).
///
/// | class | attempts | base | cap |
/// | --- | --- | --- | --- |
/// | transient | 5 | 1 s | 30 s |
/// | infrastructure | 3 | 2 s | 60 s |
/// | rate_limit | 8 | 5 s | 300 s |
/// | business | 2 | 1 s | 10 s |
/// | authentication | 1 | | |
/// | poison | 0 | | |
///
/// ```
/// use std::time::Duration;
/// use pandaflow::policy::retry::{RetryPolicy, Verdict};
/// use pandaflow::{ErrorClass, Failure, FailureKind};
/// let policy = RetryPolicy::default();
/// let failure = |class| Failure::new(FailureKind::Error, class, "E", "no".into());
/// let after = |attempt, class, random| policy.after(attempt, Duration::ZERO, &failure(class), random);
/// let second = Duration::from_secs(1);
/// assert_eq!(after(1, ErrorClass::Business, u64::MAX), Verdict::Retry { wait: second });
/// assert_eq!(after(2, ErrorClass::Business, 0), Verdict::GiveUp);
/// // Longer than a second is too long for the lane.
/// assert_eq!(after(2, ErrorClass::Transient, u64::MAX), Verdict::Park { wait: 2 * second });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    classes: [Backoff; 6],
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another attempt after `wait`, which is spent in the lane.
    Retry {
        /// How long to wait.
        wait: Duration,
    },
    /// Another attempt after `wait`, for which the key is parked.
    Park {
        /// How long to wait.
        wait: Duration,
    },
    /// A dead letter.
    GiveUp,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let of =
            |attempts, base, cap| Backoff::new(attempts, Duration::from_secs(base), Duration::from_secs(cap));
        Self {
            classes: ErrorClass::ALL.map(|class| match class {
                ErrorClass::Transient => of(5, 1, 30),
                ErrorClass::Infrastructure => of(3, 2, 60),
                ErrorClass::RateLimit => of(8, 5, 300),
                ErrorClass::Business => of(2, 1, 10),
                ErrorClass::Authentication => of(1, 0, 0),
                ErrorClass::Poison => of(0, 0, 0),
            }),
        }
    }
}

impl RetryPolicy {
    /// The defaults, with what a processor declares otherwise; see [`RetryPolicy::with`].
    #[must_use]
    pub fn declared(rules: &[RetryRule]) -> Self {
        Self::default().with(rules)
    }

    /// This policy, changed by rules. A rule without a class changes every class that is retried at all; rules with one
    /// come after and win.
    #[must_use]
    pub fn with(mut self, rules: &[RetryRule]) -> Self {
        let (named, general): (Vec<&RetryRule>, Vec<&RetryRule>) =
            rules.iter().partition(|rule| rule.class.is_some());
        for rule in general.into_iter().chain(named) {
            for class in ErrorClass::ALL {
                let backoff = &mut self.classes[class as usize];
                if rule.class.map_or(backoff.attempts > 1, |named| named == class) {
                    backoff.changed_by(rule);
                }
            }
        }
        self
    }

    /// Attempts and waits of a class.
    #[must_use]
    pub fn class(&self, class: ErrorClass) -> Backoff {
        self.classes[class as usize]
    }

    /// What follows when attempt number `attempt` (from 1) failed, `since_first` after the first one did. `random` spreads
    /// the wait: 0 is the shortest, `u64::MAX` the longest.
    #[must_use]
    pub fn after(&self, attempt: u32, since_first: Duration, failure: &Failure, random: u64) -> Verdict {
        let backoff = self.class(failure.class);
        if attempt >= backoff.attempts {
            return Verdict::GiveUp;
        }
        let wait = backoff.wait(attempt, random).max(failure.retry_after.unwrap_or_default());
        if backoff.give_up_after.is_some_and(|limit| since_first.saturating_add(wait) >= limit) {
            return Verdict::GiveUp;
        }
        if wait > backoff.in_place || backoff.park_after.is_some_and(|limit| attempt >= limit) {
            return Verdict::Park { wait };
        }
        Verdict::Retry { wait }
    }
}
