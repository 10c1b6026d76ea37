//! Where an order stands.

use serde::{Deserialize, Serialize};

/// Where an order stands. On the wire in upper case: `PENDING`, `PLACED` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OrderStatus {
    /// Not yet with the broker.
    Pending,
    /// With the broker, not filled.
    Placed,
    /// Filled whole.
    Filled,
    /// Taken back before it was filled whole.
    Cancelled,
    /// Refused by the broker.
    Rejected,
    /// Never reached the broker, or was lost there.
    Failed,
}
