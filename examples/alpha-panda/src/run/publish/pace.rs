//! How fast the feed is published.

use std::{num::NonZeroU32, time::Duration};

use super::BATCH;

/// How many parts a second's ticks are published in at least, so that they come in a stream and not in blocks.
const PARTS: u32 = 10;

/// How fast the feed is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::run) enum Pace {
    /// As fast as the log takes it.
    Unbounded,
    /// So many ticks a second on average: what was held up is caught up with.
    PerSecond(NonZeroU32),
}

impl Pace {
    /// As the command line says it.
    pub(in crate::run) fn of(rate: Option<NonZeroU32>) -> Self {
        rate.map_or(Self::Unbounded, Self::PerSecond)
    }

    /// Ticks that are published together, at most.
    pub(super) fn batch(self) -> usize {
        match self {
            Self::Unbounded => BATCH,
            Self::PerSecond(rate) => usize::try_from(rate.get() / PARTS).unwrap_or(BATCH).clamp(1, BATCH),
        }
    }

    /// How long after the first tick the one comes that has so many before it.
    pub(super) fn due(self, before: u64) -> Duration {
        match self {
            Self::Unbounded => Duration::ZERO,
            Self::PerSecond(rate) => Duration::from_secs_f64(before as f64 / f64::from(rate.get())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(rate: u32) -> Pace {
        Pace::of(NonZeroU32::new(rate))
    }

    #[test]
    fn ticks_come_evenly_and_no_faster_than_said() {
        assert_eq!(per_second(2_000).due(3_000), Duration::from_millis(1_500));
        assert_eq!((per_second(2_000).batch(), per_second(3).batch()), (200, 1));
        assert_eq!(per_second(u32::MAX).batch(), BATCH);
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        assert_eq!(Pace::of(None).due(u64::MAX), Duration::ZERO);
        assert_eq!(Pace::of(None).batch(), BATCH);
    }
}
