//! Outages: whether most of what a task tries fails, so that parking event by event would only move the whole partition aside.

use std::time::Duration;

use crate::ErrorClass;

/// First attempts that are looked at together.
const WINDOW: usize = 64;
/// How many of them there have to be.
const LEAST: usize = 20;
/// How many in a hundred have to fail.
const SHARE: usize = 90;
/// For how long a first attempt counts.
const COUNTS_FOR: Duration = Duration::from_secs(60);

/// Follows the first attempts of a task's events. Once 90 % of the last 64 (of 20 at least, none older than a minute) have
/// failed for a reason that lies outside of the event, there is an outage; it is over with the first attempt that succeeds.
///
/// Only first attempts count, so that one event that fails again and again is no outage.
///
/// ```
/// use std::time::Duration;
/// use pandaflow::{ErrorClass, policy::outage::OutageWatch};
/// let mut watch = OutageWatch::default();
/// (0..20).for_each(|n| watch.failed(1, ErrorClass::Infrastructure, Duration::from_millis(n)));
/// assert!(watch.is_on());
/// watch.succeeded(4, || Duration::from_secs(1));
/// assert!(!watch.is_on());
/// ```
#[derive(Debug, Default)]
pub struct OutageWatch {
    /// When the last first attempts were, and whether they failed; a ring.
    seen: Vec<(Duration, bool)>,
    /// How many of them failed.
    failed: usize,
    next: usize,
    on: bool,
}

impl OutageWatch {
    /// Whether there is an outage.
    #[must_use]
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Attempt number `attempt` (from 1) at an event succeeded, `at` this time.
    #[inline]
    pub fn succeeded(&mut self, attempt: u32, at: impl FnOnce() -> Duration) {
        if self.on {
            *self = Self::default();
        }
        // While nothing fails there is nothing to follow.
        if attempt == 1 && !self.seen.is_empty() {
            self.note(at(), false);
        }
    }

    /// Attempt number `attempt` (from 1) at an event failed, `at` this time.
    pub fn failed(&mut self, attempt: u32, class: ErrorClass, at: Duration) {
        if attempt != 1 {
            return;
        }
        let outside = match class {
            ErrorClass::Transient | ErrorClass::Infrastructure | ErrorClass::RateLimit => true,
            ErrorClass::Authentication | ErrorClass::Business | ErrorClass::Poison => false,
        };
        self.note(at, outside);
        // However old they are, these are too few.
        if self.failed * 100 < LEAST * SHARE {
            return;
        }
        let counted = self.seen.iter().filter(|(then, _)| at.saturating_sub(*then) <= COUNTS_FOR);
        let (all, failed) =
            counted.fold((0, 0), |(all, failed), (_, bad)| (all + 1, failed + usize::from(*bad)));
        self.on = self.on || (all >= LEAST && failed * 100 >= all * SHARE);
    }

    fn note(&mut self, at: Duration, failed: bool) {
        self.failed += usize::from(failed);
        if self.seen.len() < WINDOW {
            self.seen.push((at, failed));
        } else {
            let (_, forgotten) = std::mem::replace(&mut self.seen[self.next], (at, failed));
            self.failed -= usize::from(forgotten);
            self.next = (self.next + 1) % WINDOW;
        }
    }
}
