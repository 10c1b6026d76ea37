//! How far a checkpoint has come in its log, and whether it may be used: decided here, looked at elsewhere.

use std::time::Duration;

/// A checkpoint that was not brought up to date for longer is not used, whatever the topic keeps.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// What tells a record of a log from that of another log at the same offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) offset: i64,
    /// The broker's time of it, in milliseconds since 1970.
    pub(super) written: i64,
    /// The CRC-32 of key and value.
    pub(super) print: i64,
}

/// How far a checkpoint has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The last record that was taken in.
    pub(super) last: Witness,
    /// Up to where the log could be read when it was read to its end; -1 if it never was.
    pub(super) end: i64,
    /// When the reading began that came to an end there (or, before the first one has, when that began), in milliseconds
    /// since 1970. What was in the log then and is not taken in can't have been thrown away by compaction before
    /// `good_for` is over.
    pub(super) as_of: i64,
    pub(super) good_for: Duration,
}

/// Why a checkpoint is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is {} minutes old, and the log has thrown removals away since", .0.as_secs() / 60)]
    TooOld(Duration),
    #[error("it is from the future: this machine's clock was set back")]
    FromTheFuture,
    #[error("the log ends at {0}, before what was read of it: the topic was made anew, or cut off")]
    CutOff(i64),
    #[error("the log begins at {0}, behind what was read of it")]
    Expired(i64),
    #[error(
        "the record that was read last, at {0}, is not there any more: it was replaced, or the topic was made anew"
    )]
    Gone(i64),
    #[error("another record lies at {0} than the one that was read: the topic was made anew")]
    Another(i64),
}

/// How long a checkpoint is good for without having read on, where the log keeps removals (null values) for so long: half of that,
/// since clocks differ and reading takes its time.
pub(super) fn good_for(removals_kept: Duration) -> Duration {
    (removals_kept / 2).min(LONGEST)
}

impl Mark {
    /// Whether everything that was removed from the log since can still be found removed there.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn fits_clock(&self, now: i64) -> Result<(), Unusable> {
        // A clock is set now and then, but not by much.
        const SET_BACK: i64 = 60_000;
        if self.as_of > now.saturating_add(SET_BACK) {
            return Err(Unusable::FromTheFuture);
        }
        let age = Duration::from_millis(u64::try_from(now.saturating_sub(self.as_of)).unwrap_or(0));
        if age > self.good_for { Err(Unusable::TooOld(age)) } else { Ok(()) }
    }

    /// Whether it can be of a log from `first` to `end`.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn fits_span(&self, (first, end): (i64, i64)) -> Result<(), Unusable> {
        if self.last.offset >= end {
            Err(Unusable::CutOff(end))
        } else if self.last.offset < first {
            Err(Unusable::Expired(first))
        } else {
            Ok(())
        }
    }

    /// Whether the record that was read last is there; `found` is the first one at its place or behind it.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn is_borne_out_by(&self, found: Option<Witness>) -> Result<(), Unusable> {
        match found {
            Some(found) if found == self.last => Ok(()),
            Some(found) if found.offset == self.last.offset => Err(Unusable::Another(found.offset)),
            _ => Err(Unusable::Gone(self.last.offset)),
        }
    }

    /// Where reading goes on.
    pub(super) fn next(&self) -> i64 {
        self.last.offset + 1
    }
}

/// The mark of a reading that began at `began` with what there was `before`, and has come to `last`. `end` is where the log
/// could be read to, once it was.
pub(super) fn advanced(
    before: Option<&Mark>,
    last: Witness,
    end: Option<i64>,
    began: i64,
    good_for: Duration,
) -> Mark {
    match (end, before) {
        (Some(end), _) => Mark { last, end, as_of: began, good_for },
        // Between the old end and the new one it is as old as it was.
        (None, Some(before)) => Mark { last, ..*before },
        (None, None) => Mark { last, end: -1, as_of: began, good_for },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const LAST: Witness = Witness { offset: 70, written: 5, print: 9 };

    fn mark() -> Mark {
        Mark { last: LAST, end: 80, as_of: 1_000_000, good_for: good_for(DAY) }
    }

    #[test]
    fn a_mark_is_good_for_half_of_what_removals_are_kept_and_12_hours_at_most() {
        assert_eq!(good_for(DAY), Duration::from_secs(12 * 3600));
        assert_eq!(good_for(DAY * 30), Duration::from_secs(12 * 3600));
        assert_eq!(good_for(Duration::from_secs(60)), Duration::from_secs(30));
        let limit = 1_000_000 + 12 * 3_600_000;
        assert_eq!(mark().fits_clock(limit), Ok(()));
        let too_old = Unusable::TooOld(Duration::from_millis(12 * 3_600_000 + 1));
        assert_eq!(mark().fits_clock(limit + 1), Err(too_old));
        assert_eq!(mark().fits_clock(1_000_000 - 60_001), Err(Unusable::FromTheFuture));
    }

    #[test]
    fn a_mark_lies_in_its_log_and_its_record_is_the_same() {
        assert_eq!(mark().fits_span((0, 71)), Ok(()));
        assert_eq!(mark().fits_span((70, 100)), Ok(()));
        assert_eq!(mark().fits_span((0, 70)), Err(Unusable::CutOff(70)));
        assert_eq!(mark().fits_span((71, 100)), Err(Unusable::Expired(71)));
        assert_eq!(mark().is_borne_out_by(Some(LAST)), Ok(()));
        assert_eq!(mark().is_borne_out_by(None), Err(Unusable::Gone(70)));
        let later = Witness { offset: 71, ..LAST };
        assert_eq!(mark().is_borne_out_by(Some(later)), Err(Unusable::Gone(70)));
        for other in [Witness { written: 6, ..LAST }, Witness { print: 8, ..LAST }] {
            assert_eq!(mark().is_borne_out_by(Some(other)), Err(Unusable::Another(70)));
        }
    }

    proptest! {
        /// A key is written at 0 and removed at `removed`; compaction takes its value away at `cleaned`, and the removal so
        /// long after that as removals are kept. The log has a record each millisecond. Readings may end anywhere.
        #[test]
        fn a_key_that_was_removed_never_comes_back(
            readings in proptest::collection::vec((1_i64..60, 0_i64..=100), 1..30),
            (removed, lag, kept) in (1_i64..100, 0_i64..50, 1_i64..100),
        ) {
            let cleaned = removed + lag;
            let good_for = good_for(Duration::from_millis(kept.cast_unsigned()));
            let (mut now, mut mark, mut holds_key) = (0_i64, None::<Mark>, false);
            for (pause, share) in readings {
                now += pause;
                let known = mark.filter(|mark| mark.fits_clock(now).is_ok());
                let from = known.map_or(0, |known| known.next());
                if known.is_none() {
                    holds_key = false;
                }
                let to = from + (now - from) * share / 100;
                if to < from {
                    continue;
                }
                if from == 0 && now < cleaned {
                    holds_key = true;
                }
                if (from..=to).contains(&removed) && now < cleaned + kept {
                    holds_key = false;
                }
                let last = Witness { offset: to, ..LAST };
                let end = (to == now).then_some(to + 1);
                mark = Some(advanced(known.as_ref(), last, end, now, good_for));
                prop_assert!(!(holds_key && to >= removed), "removed at {removed}, and there at {now}");
            }
        }
    }
}
