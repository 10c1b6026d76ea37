//! Decimals on the wire: a string of digits, so that no reader makes a binary fraction of them.
//!
//! For `#[serde(with = "decimal_text")]`; [`option`] is the same for a field that may be missing.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserializer, Serializer, de};

/// What is greater than this, in either direction, is no amount of anything in a market: 10^18.
const MAX: Decimal = Decimal::from_parts(2_808_348_672, 232_830_643, 0, false, 0);

pub(crate) fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    rust_decimal::serde::str::serialize(value, serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    deserializer.deserialize_str(DecimalVisitor)
}

/// Decimals that may be missing.
pub(crate) mod option {
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Value(#[serde(deserialize_with = "super::deserialize")] Decimal);

    // serde hands the field over by reference.
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Decimal>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Decimal>, D::Error> {
        Ok(Option::<Value>::deserialize(deserializer)?.map(|value| value.0))
    }
}

struct DecimalVisitor;

impl de::Visitor<'_> for DecimalVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal in a string, such as \"167.41\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Reads `-?digits(.digits)?`, exactly: no exponent, no plus, no underscore, no digit lost.
fn parse(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let plain = digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let ends = digits.first()?.is_ascii_digit() && digits.last()?.is_ascii_digit();
    if !(plain && ends) {
        return None;
    }
    Decimal::from_str_exact(text).ok().filter(|value| value.abs() <= MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_amount_is_ten_to_the_eighteenth() {
        assert_eq!(MAX.to_string(), "1000000000000000000");
    }

    #[test]
    fn plain_digits_are_read_exactly() {
        for text in ["0", "-1", "167.4100", "0.0000000000000000000000000001", "1000000000000000000"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "+1",
            "1e5",
            "1_000",
            " 1",
            "1 ",
            "NaN",
            "inf",
            "1.2.3",
            "--1",
            "0x1",
            "١",
            "1000000000000000001",
            "0.00000000000000000000000000001",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
