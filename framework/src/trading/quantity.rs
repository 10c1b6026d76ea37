//! How many units of an instrument an order or a signal is for.

use std::{fmt, num::NonZeroU32};

use serde::{Deserialize, Serialize};

/// A number of units (shares, lots), at least 1. On the wire a JSON number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quantity(NonZeroU32);

impl Quantity {
    /// The quantity; none for 0.
    #[must_use]
    pub const fn new(units: u32) -> Option<Self> {
        match NonZeroU32::new(units) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The number of units.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The number of units, wide enough for sums with a sign.
    #[must_use]
    pub fn units(self) -> i64 {
        i64::from(self.get())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
