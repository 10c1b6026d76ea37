//! Sizes in bytes as people write them: `512KB`, `64MB`, `1GiB`.

use std::fmt;

use super::value::{Ranged, Value};

/// Units from the largest to the smallest. `MB` is a million bytes, `MiB` is 2^20.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// A number of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// The number of bytes, at most what fits in memory's addresses.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Value for ByteSize {
    fn expected() -> String {
        "a size such as 512KB, 64MB or 1GiB".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("empty".into());
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err("not a size".into());
        }
        let unit = unit.trim_start();
        let length = match unit {
            "" => return Err("a number without a unit".into()),
            unit => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or("not a size")?.1,
        };
        let bytes = number.parse().ok().and_then(|n: u64| n.checked_mul(length));
        bytes.map(Self).ok_or_else(|| "too large".into())
    }

    fn show(&self) -> String {
        let exact = UNITS.iter().find(|(_, length)| self.0 >= *length && self.0.is_multiple_of(*length));
        match exact {
            Some((unit, length)) => format!("{}{unit}", self.0 / length),
            None => "0B".into(),
        }
    }
}

impl Ranged for ByteSize {
    fn within(&self, min: &Self, max: &Self) -> bool {
        (min..=max).contains(&self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_and_shown() {
        for (text, bytes, shown) in [
            ("64MB", 64_000_000, "64MB"),
            ("64 mb", 64_000_000, "64MB"),
            ("1GiB", 1 << 30, "1GiB"),
            ("1536KiB", 1536 << 10, "1536KiB"),
            ("1001B", 1001, "1001B"),
            ("0B", 0, "0B"),
        ] {
            let read = ByteSize::parse(text).unwrap();
            assert_eq!(read, ByteSize(bytes), "{text}");
            assert_eq!(read.show(), shown);
            assert_eq!(ByteSize::parse(&read.show()), Ok(read));
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for (text, why) in [
            ("", "empty"),
            ("big", "not a size"),
            ("64", "a number without a unit"),
            ("64XB", "not a size"),
            ("-1MB", "not a size"),
            ("99999999999GB", "too large"),
        ] {
            assert_eq!(ByteSize::parse(text), Err(why.into()), "{text}");
        }
    }
}
