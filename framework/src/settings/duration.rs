//! Durations as people write them: `100ms`, `30s`, `1m30s`, `24h`, `7d`.

use std::{fmt::Write as _, time::Duration};

use super::value::{Ranged, Value};

/// Units from the largest to the smallest, with their length in microseconds.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

impl Value for Duration {
    fn expected() -> String {
        "a duration such as 100ms, 30s, 2m, 24h or 7d".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        parts(text.trim())
    }

    fn show(&self) -> String {
        let mut rest = u64::try_from(self.as_micros()).unwrap_or(u64::MAX);
        let mut text = String::new();
        for (unit, length) in UNITS {
            if rest >= length {
                // Writing to a string can't fail.
                let _ = write!(text, "{}{unit}", rest / length);
                rest %= length;
            }
        }
        if text.is_empty() { "0s".into() } else { text }
    }
}

impl Ranged for Duration {
    fn within(&self, min: &Self, max: &Self) -> bool {
        (min..=max).contains(&self)
    }
}

/// Reads `<number><unit>` parts, each unit smaller than the one before.
fn parts(mut text: &str) -> Result<Duration, String> {
    const NOT: &str = "not a duration";
    if text.is_empty() {
        return Err("empty".into());
    }
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit());
        let (number, rest) = match digits {
            None => return Err("a number without a unit".into()),
            Some(0) => return Err(NOT.into()),
            Some(n) => text.split_at(n),
        };
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or(NOT)?;
        total = number
            .parse()
            .ok()
            .and_then(|n: u64| n.checked_mul(*length))
            .and_then(|part| total.checked_add(part))
            .ok_or("too long")?;
        text = rest;
    }
    Ok(Duration::from_micros(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_and_shown() {
        for (text, millis, shown) in [
            ("100ms", 100, "100ms"),
            (" 10s ", 10_000, "10s"),
            ("90s", 90_000, "1m30s"),
            ("1m30s", 90_000, "1m30s"),
            ("24h", 86_400_000, "1d"),
            ("7d", 604_800_000, "7d"),
            ("0s", 0, "0s"),
        ] {
            let read = Duration::parse(text).unwrap();
            assert_eq!(read, Duration::from_millis(millis), "{text}");
            assert_eq!(read.show(), shown);
            assert_eq!(Duration::parse(&read.show()), Ok(read));
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for (text, why) in [
            ("", "empty"),
            ("soon", "not a duration"),
            ("5", "a number without a unit"),
            ("5 s", "not a duration"),
            ("-5s", "not a duration"),
            ("1.5s", "not a duration"),
            ("5s1m", "not a duration"),
            ("5s5s", "not a duration"),
            ("5µs", "not a duration"),
            ("99999999999999999999d", "too long"),
            ("999999999999d", "too long"),
        ] {
            assert_eq!(Duration::parse(text), Err(why.into()), "{text}");
        }
    }
}
