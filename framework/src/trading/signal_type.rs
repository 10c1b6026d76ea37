//! What a signal asks for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::side::Side;

/// What a signal asks for. On the wire `BUY`, `SELL` or `HOLD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SignalType {
    /// To buy.
    Buy,
    /// To sell.
    Sell,
    /// To do nothing. Strategies of this crate never say so; signals of others may.
    Hold,
}

impl SignalType {
    /// The direction of the trade that is asked for; none to hold.
    #[must_use]
    pub const fn side(self) -> Option<Side> {
        match self {
            Self::Buy => Some(Side::Buy),
            Self::Sell => Some(Side::Sell),
            Self::Hold => None,
        }
    }
}

impl From<Side> for SignalType {
    fn from(side: Side) -> Self {
        match side {
            Side::Buy => Self::Buy,
            Side::Sell => Self::Sell,
        }
    }
}

impl fmt::Display for SignalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side() {
            Some(side) => side.fmt(f),
            None => f.write_str("HOLD"),
        }
    }
}
