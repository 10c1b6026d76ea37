//! The four prices of a bar.

use serde::{Deserialize, Serialize};

use super::price::Price;

/// First, greatest, least and last price of a bar or of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ohlc {
    /// The first price.
    pub open: Price,
    /// The greatest price.
    pub high: Price,
    /// The least price.
    pub low: Price,
    /// The last price.
    pub close: Price,
}

impl Ohlc {
    /// Whether the prices fit each other: none is above the greatest or below the least.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let within = self.low..=self.high;
        within.contains(&self.open) && within.contains(&self.close)
    }
}
