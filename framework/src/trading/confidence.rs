//! How sure a strategy is of its signal.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::decimal_text;

/// A share from 0 (a guess) to 1 (certain). On the wire a JSON string (`"0.75"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Confidence(Decimal);

/// A number that is no confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`{0}` is no confidence; expected a number from 0 to 1")]
pub struct ConfidenceError(pub Decimal);

impl Confidence {
    /// The confidence.
    ///
    /// # Errors
    /// If `share` is below 0 or above 1.
    pub fn new(share: Decimal) -> Result<Self, ConfidenceError> {
        if (Decimal::ZERO..=Decimal::ONE).contains(&share) {
            Ok(Self(share))
        } else {
            Err(ConfidenceError(share))
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> Decimal {
        self.0
    }
}

impl Serialize for Confidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        decimal_text::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Confidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(decimal_text::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
