//! Who executes an order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who executes an order. On the wire `paper` or `zerodha`, as the namespaces are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionMode {
    /// Nobody: the fill is computed.
    Paper,
    /// The broker Zerodha, with real money.
    Zerodha,
}

impl fmt::Display for ExecutionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paper => "paper",
            Self::Zerodha => "zerodha",
        })
    }
}
