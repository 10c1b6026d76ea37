//! The parts of a market's day.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a market does at an instant. On the wire in lower case with underscores: `pre_open`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// Orders are collected for the opening price.
    PreOpen,
    /// Trading goes on; the only session in which strategies act.
    Regular,
    /// Trades at the closing price.
    Closing,
    /// None of these.
    Closed,
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreOpen => "pre-open",
            Self::Regular => "regular",
            Self::Closing => "closing",
            Self::Closed => "closed",
        })
    }
}
