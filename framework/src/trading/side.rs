//! The two directions of a trade.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The direction of a trade. On the wire `BUY` or `SELL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Side {
    /// Units come in, cash goes out.
    Buy,
    /// Units go out, cash comes in.
    Sell,
}

impl Side {
    /// +1 for a purchase, −1 for a sale: what a unit traded adds to the position.
    #[must_use]
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Buy => "BUY",
            Self::Sell => "SELL",
        })
    }
}
