//! When a failed attempt is tried again, and when it is given up on.

use std::time::Duration;

use crate::{ErrorClass, Failure, RetryRule};

/// Attempts and waits for one error class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// How many attempts in all, the first included; 0 and 1 are both "no retry".
    pub attempts: u32,
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

/// The retry policy of a processor: one [`Backoff`] per error class.
///
/// The wait before attempt n + 1 is drawn evenly from zero to `min(cap, base × 2^(n-1))` ("full jitter": Brooker,
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). Where the error carries a `retry_after`, that
/// is the least wait.
///
/// ```
/// use pandaflow::policy::retry::{RetryPolicy, Verdict};
/// use pandaflow::{ErrorClass, Failure, FailureKind};
/// let policy = RetryPolicy::default();
/// let failure = Failure::new(FailureKind::Error, ErrorClass::Business, "E", "no".into());
/// assert!(matches!(policy.after(1, &failure, u64::MAX), Verdict::Retry { wait } if wait.as_millis() == 1000));
/// assert_eq!(policy.after(2, &failure, 0), Verdict::GiveUp);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    classes: [Backoff; 6],
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another attempt after `wait`.
    Retry {
        /// How long to wait.
        wait: Duration,
    },
    /// A dead letter.
    GiveUp,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let of = |attempts, base, cap| Backoff {
            attempts,
            base: Duration::from_secs(base),
            cap: Duration::from_secs(cap),
        };
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
    /// The defaults, with what a processor declares otherwise. A rule without a class changes every class
    /// that is retried at all; rules with one come after and win.
    #[must_use]
    pub fn declared(rules: &[RetryRule]) -> Self {
        let mut policy = Self::default();
        let (named, general): (Vec<&RetryRule>, Vec<&RetryRule>) =
            rules.iter().partition(|rule| rule.class.is_some());
        for rule in general.into_iter().chain(named) {
            for class in ErrorClass::ALL {
                let backoff = &mut policy.classes[class as usize];
                if rule.class.map_or(backoff.attempts > 1, |named| named == class) {
                    backoff.attempts = rule.attempts.unwrap_or(backoff.attempts);
                    (backoff.base, backoff.cap) = rule.backoff.unwrap_or((backoff.base, backoff.cap));
                }
            }
        }
        policy
    }

    /// Attempts and waits of a class.
    #[must_use]
    pub fn class(&self, class: ErrorClass) -> Backoff {
        self.classes[class as usize]
    }

    /// What follows when attempt number `attempt` (from 1) failed. `random` spreads the wait: 0 is no wait,
    /// `u64::MAX` the longest.
    #[must_use]
    pub fn after(&self, attempt: u32, failure: &Failure, random: u64) -> Verdict {
        let backoff = self.class(failure.class);
        if attempt >= backoff.attempts {
            return Verdict::GiveUp;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let longest = backoff.base.saturating_mul(1 << doublings).min(backoff.cap);
        let nanos = u128::from(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX));
        let wait = Duration::from_nanos(
            u64::try_from(nanos * u128::from(random) / u128::from(u64::MAX)).unwrap_or(u64::MAX),
        );
        Verdict::Retry { wait: wait.max(failure.retry_after.unwrap_or_default()) }
    }
}
