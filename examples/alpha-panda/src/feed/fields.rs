//! The six fields of a line, and how each sort of them is read.

use pandaflow::trading::Price;
use rust_decimal::Decimal;

use super::error::LineProblem;

/// Milliseconds of a day.
const DAY_MILLIS: u64 = 86_400_000;

/// A line, cut at its commas.
pub(super) struct Fields<'a>([&'a [u8]; 6]);

impl<'a> Fields<'a> {
    pub(super) fn split(line: &'a [u8]) -> Result<Self, LineProblem> {
        let mut fields = [&[][..]; 6];
        let mut found = 0;
        for field in line.split(|byte| *byte == b',') {
            if let Some(place) = fields.get_mut(found) {
                *place = field;
            }
            found += 1;
        }
        if found == fields.len() { Ok(Self(fields)) } else { Err(LineProblem::FieldCount { found }) }
    }

    /// Milliseconds since midnight.
    pub(super) fn millis(&self) -> Result<u32, LineProblem> {
        digits(self.0[0])
            .filter(|millis| *millis < DAY_MILLIS)
            .and_then(|millis| u32::try_from(millis).ok())
            .ok_or_else(|| self.problem(0, "time", "milliseconds since midnight, less than 86400000"))
    }

    /// A price in ten-thousandths.
    pub(super) fn scaled_price(&self, index: usize, name: &'static str) -> Result<Price, LineProblem> {
        digits(self.0[index])
            .and_then(|scaled| i64::try_from(scaled).ok())
            .map(
                |scaled| {
                    if scaled % 100 == 0 { Decimal::new(scaled / 100, 2) } else { Decimal::new(scaled, 4) }
                },
            )
            .and_then(|price| Price::new(price).ok())
            .ok_or_else(|| self.problem(index, name, "a price × 10000, a whole number above 0"))
    }

    /// A plain price.
    pub(super) fn plain_price(&self, index: usize, name: &'static str) -> Result<Price, LineProblem> {
        let text = self.0[index];
        let plain = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        std::str::from_utf8(text)
            .ok()
            .filter(|_| plain && digits(text.get(..1).unwrap_or_default()).is_some())
            .and_then(|text| Decimal::from_str_exact(text).ok())
            .and_then(|price| Price::new(price).ok())
            .ok_or_else(|| self.problem(index, name, "a price above 0, with at most 6 decimals"))
    }

    /// A whole number of units, at least `min`.
    pub(super) fn units(&self, index: usize, name: &'static str, min: u64) -> Result<u64, LineProblem> {
        let expected = if min == 0 { "a whole number, at least 0" } else { "a whole number above 0" };
        digits(self.0[index]).filter(|units| *units >= min).ok_or_else(|| self.problem(index, name, expected))
    }

    /// Fails unless the field is as `is_right` wants it.
    pub(super) fn require(
        &self,
        index: usize,
        name: &'static str,
        expected: &'static str,
        is_right: impl Fn(&[u8]) -> bool,
    ) -> Result<(), LineProblem> {
        if is_right(self.0[index]) { Ok(()) } else { Err(self.problem(index, name, expected)) }
    }

    fn problem(&self, index: usize, name: &'static str, expected: &'static str) -> LineProblem {
        let value = String::from_utf8_lossy(self.0[index]).escape_debug().to_string();
        LineProblem::Field { number: index + 1, name, value, expected }
    }
}

/// Reads a number of at most 18 digits.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter()
        .try_fold(0_u64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))
}
