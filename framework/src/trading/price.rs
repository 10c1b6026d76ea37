//! The price of one unit of an instrument, in bounds that no later sum or product can leave.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::decimal_text;

/// A price in the instrument's currency: above 0, at most 100,000,000, with at most 6 decimals. On the wire a
/// JSON string (`"167.41"`).
///
/// The bounds keep every decision exact: a price is a whole number of millionths that fits 64 bits, and what
/// strategies and accounts make of it fits as well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(Decimal);

/// A number that is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`{0}` is no price; expected a number above 0, at most 100000000, with at most 6 decimals")]
pub struct PriceError(pub Decimal);

impl Price {
    /// Decimals that a price can have.
    pub const MAX_SCALE: u32 = 6;
    /// The smallest price that an order is filled at: prices of fills have 4 decimals.
    pub const SMALLEST_FILL: Self = Self(Decimal::from_parts(1, 0, 0, false, 4));
    /// The greatest price.
    pub const MAX: Self = Self(Decimal::from_parts(100_000_000, 0, 0, false, 0));

    /// The price.
    ///
    /// # Errors
    /// If `price` is not above 0, is above 100,000,000 or has more than 6 decimals that count.
    pub fn new(price: Decimal) -> Result<Self, PriceError> {
        let exact = if price.scale() > Self::MAX_SCALE { price.normalize() } else { price };
        let fits = exact.scale() <= Self::MAX_SCALE && exact > Decimal::ZERO && exact <= Self::MAX.0;
        if fits { Ok(Self(exact)) } else { Err(PriceError(price)) }
    }

    /// The price of a fill: rounded to 4 decimals, half to even, and brought into the bounds of a price.
    #[must_use]
    pub fn of_fill(price: Decimal) -> Self {
        let rounded = price.round_dp_with_strategy(4, RoundingStrategy::MidpointNearestEven);
        Self(rounded.clamp(Self::SMALLEST_FILL.0, Self::MAX.0))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> Decimal {
        self.0
    }

    /// The price in millionths, exactly.
    #[must_use]
    pub fn micros(self) -> i64 {
        const POWERS: [i64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
        let mantissa = i64::try_from(self.0.mantissa()).expect("a price has at most 15 digits");
        mantissa * POWERS[self.0.scale() as usize]
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Price({})", self.0)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        decimal_text::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(decimal_text::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_price_keeps_its_digits_and_knows_its_millionths() {
        assert_eq!(Price::new(decimal("10.50")).unwrap().to_string(), "10.50");
        assert_eq!(Price::new(decimal("10.50")).unwrap().micros(), 10_500_000);
        assert_eq!(Price::new(decimal("0.00000100")).unwrap().micros(), 1);
        assert_eq!(Price::MAX.micros(), 100_000_000_000_000);
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in ["0", "-1", "100000000.01", "0.0000001", "79228162514264337593543950335"] {
            let error = Price::new(decimal(text)).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn the_price_of_a_fill_has_four_decimals_and_rounds_half_to_even() {
        assert_eq!(Price::of_fill(decimal("1.00005")).to_string(), "1.0000");
        assert_eq!(Price::of_fill(decimal("1.00015")).to_string(), "1.0002");
        assert_eq!(Price::of_fill(decimal("0.00001")), Price::SMALLEST_FILL);
        assert_eq!(Price::of_fill(decimal("1000000000")), Price::MAX);
    }
}
