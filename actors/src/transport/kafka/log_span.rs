//! From where to where the log of a partition reaches, and what a committed place means against that: retention may have
//! passed it, and a topic that was made anew may end before it.

use pandaflow::{Offset, policy::watermark::Progress};

/// The first offset that is there, and the one that the next record gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogSpan {
    pub(super) first: Offset,
    pub(super) end: Offset,
}

/// How a committed place lies to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// In it, or at its end.
    Within,
    /// Before it: so many offsets that nobody had settled are gone.
    Expired(u64),
    /// Behind its end: it is another log than the one that was read, or a part of it is gone.
    Beyond,
}

impl LogSpan {
    /// As the broker tells them.
    pub(super) fn new((first, end): (i64, i64)) -> Self {
        let offset = |offset| Offset(u64::try_from(offset).unwrap_or(0));
        Self { first: offset(first), end: offset(end) }
    }

    /// Where a group goes on that has come so far, and why there.
    pub(super) fn resume(self, progress: Progress) -> (Progress, Reach) {
        if progress.next > self.end {
            return (Progress::at(self.first), Reach::Beyond);
        }
        if progress.next >= self.first {
            return (progress, Reach::Within);
        }
        let (mut next, mut settled, mut above) = (self.first, 0, Vec::new());
        for (first, last) in progress.above {
            settled += last.0.min(self.first.0.saturating_sub(1)).saturating_add(1).saturating_sub(first.0);
            if first <= next {
                next = next.max(last.next());
            } else {
                above.push((first, last));
            }
        }
        let gone = self.first.0 - progress.next.0 - settled;
        (Progress { next, above }, if gone > 0 { Reach::Expired(gone) } else { Reach::Within })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SPAN: LogSpan = LogSpan { first: Offset(500), end: Offset(500) };

    #[test]
    fn a_group_that_retention_has_overtaken_is_not_behind_what_is_gone() {
        assert_eq!(SPAN.resume(Progress::at(Offset(100))), (Progress::at(Offset(500)), Reach::Expired(400)));
    }

    #[test]
    fn a_place_behind_the_end_of_the_log_is_of_another_log() {
        let span = LogSpan { first: Offset(3), end: Offset(10) };
        assert_eq!(span.resume(Progress::at(Offset(11))), (Progress::at(Offset(3)), Reach::Beyond));
        assert_eq!(span.resume(Progress::at(Offset(10))), (Progress::at(Offset(10)), Reach::Within));
    }

    #[test]
    fn what_expired_is_counted_without_what_was_settled_of_it() {
        let progress: Progress = "1;100;200-299,490-510,600".parse().expect("it is a progress");
        let span = LogSpan { first: Offset(500), end: Offset(700) };
        let resumed = Progress { next: Offset(511), above: vec![(Offset(600), Offset(600))] };
        assert_eq!(span.resume(progress), (resumed, Reach::Expired(400 - 100 - 10)));
    }

    proptest! {
        #[test]
        fn nothing_that_is_there_and_not_settled_is_passed_over(
            next in 0_u64..30, gaps in vec((1_u64..5, 0_u64..5), 0..5), first in 0_u64..60, more in 0_u64..60,
        ) {
            let mut before = next;
            let mut range = |(gap, length): &(u64, u64)| {
                let first = before + gap;
                before = first + length + 1;
                (Offset(first), Offset(first + length))
            };
            let progress = Progress { next: Offset(next), above: gaps.iter().map(&mut range).collect() };
            let span = LogSpan { first: Offset(first), end: Offset(first + more) };
            let (resumed, reach) = span.resume(progress.clone());
            for offset in (first..first + more).map(Offset) {
                let settled = reach != Reach::Beyond && progress.is_settled(offset);
                prop_assert_eq!(resumed.is_settled(offset), settled, "{}", offset);
            }
            if let Reach::Expired(gone) = reach {
                let open = (next..first).filter(|offset| !progress.is_settled(Offset(*offset))).count();
                prop_assert_eq!(gone, open as u64);
            }
            prop_assert!(resumed.above.iter().all(|(first, _)| *first > resumed.next));
            prop_assert!(resumed.next >= span.first);
        }
    }
}
