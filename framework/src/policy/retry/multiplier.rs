//! By how much a wait grows from one attempt to the next.

use std::{fmt, time::Duration};

use crate::settings::{Ranged, Value};

/// A factor of at least 1, exact to a thousandth: `2`, `1.5`.
///
/// It is kept in thousandths, and waits grow in whole nanoseconds, so that a re-run waits the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Multiplier(u32);

impl Multiplier {
    /// The waits stay as they are.
    pub const ONE: Self = Self(1_000);
    /// The waits double.
    pub const TWO: Self = Self(2_000);

    /// The factor of so many thousandths; fewer than 1,000 are taken for 1,000.
    #[must_use]
    pub const fn of_thousandths(thousandths: u32) -> Self {
        if thousandths < Self::ONE.0 { Self::ONE } else { Self(thousandths) }
    }

    /// In thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// `base`, multiplied `times` times, and `cap` at most.
    pub(super) fn grown(self, base: Duration, times: u32, cap: Duration) -> Duration {
        let (mut nanos, cap_nanos) = (base.as_nanos(), cap.as_nanos());
        // A factor above 1 adds a nanosecond at least, and a thousandth at that, so that the longest of all waits is
        // reached after some 60,000 rounds, whatever the attempt. What is multiplied lies below the cap, so that nothing
        // overflows: 2^94 nanoseconds by 2^32.
        for _ in 0..times {
            if nanos >= cap_nanos {
                return cap;
            }
            let next = (nanos * u128::from(self.0)).div_ceil(1_000);
            if next == nanos {
                break;
            }
            nanos = next;
        }
        if nanos >= cap_nanos { cap } else { of_nanos(nanos) }
    }
}

fn of_nanos(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanos / SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanos % SECOND).unwrap_or(0))
}

impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000, self.0 % 1_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let rest = format!("{rest:03}");
        write!(f, "{whole}.{}", rest.trim_end_matches('0'))
    }
}

impl Value for Multiplier {
    fn expected() -> String {
        "a number with three decimals at most, such as 2 or 1.5".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("empty".into());
        }
        let (whole, decimals) = match text.split_once('.') {
            Some((_, "")) => return Err("not a number".into()),
            Some((whole, decimals)) => (whole, decimals),
            None => (text, ""),
        };
        let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(decimals) {
            return Err("not a number".into());
        }
        if decimals.len() > 3 {
            return Err("more than three decimals".into());
        }
        let thousandths = format!("{whole}{decimals:0<3}").parse().map_err(|_| "too large".to_owned())?;
        if thousandths < Self::ONE.0 {
            return Err("less than 1".into());
        }
        Ok(Self(thousandths))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Ranged for Multiplier {
    fn within(&self, min: &Self, max: &Self) -> bool {
        (min..=max).contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiplier_is_read_and_shown() {
        for (text, thousandths, shown) in
            [("2", 2_000, "2"), (" 1.5 ", 1_500, "1.5"), ("1.050", 1_050, "1.05"), ("01.001", 1_001, "1.001")]
        {
            let read = Multiplier::parse(text);
            assert_eq!(read, Ok(Multiplier(thousandths)), "{text}");
            assert_eq!(read.map(|read| read.show()), Ok(shown.into()));
        }
    }

    #[test]
    fn what_is_no_multiplier_is_refused() {
        for (text, why) in [
            ("", "empty"),
            ("two", "not a number"),
            ("2.", "not a number"),
            (".5", "not a number"),
            ("-2", "not a number"),
            ("+2", "not a number"),
            ("1e3", "not a number"),
            ("1.2.3", "not a number"),
            ("1.0005", "more than three decimals"),
            ("0.999", "less than 1"),
            ("5000000", "too large"),
        ] {
            assert_eq!(Multiplier::parse(text), Err(why.into()), "{text}");
        }
        assert_eq!(Multiplier::of_thousandths(0), Multiplier::ONE);
    }

    #[test]
    fn the_longest_wait_there_is_is_reached_from_the_shortest_by_the_smallest_factor() {
        let grown = Multiplier(1_001).grown(Duration::from_nanos(1), u32::MAX, Duration::MAX);
        assert_eq!(grown, Duration::MAX);
        assert_eq!(Multiplier(u32::MAX).grown(Duration::MAX, u32::MAX, Duration::MAX), Duration::MAX);
        assert_eq!(Multiplier::ONE.grown(Duration::from_secs(1), u32::MAX, Duration::MAX).as_secs(), 1);
    }
}
