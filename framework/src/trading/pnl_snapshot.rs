//! Profit and loss of a strategy at an instant: what the portfolio tells.

use crate::Event;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{decimal_text, instant_text, instrument_token::InstrumentToken, strategy_id::StrategyId};

/// Profit (above 0) and loss (below 0) since the account was opened, in the instrument's currency. Key: the
/// strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "pnl_snapshot", version = 1, key = "{strategy_id}")]
pub struct PnlSnapshot {
    /// Whose result it is.
    pub strategy_id: StrategyId,
    /// On which instrument; none for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument_token: Option<InstrumentToken>,
    /// From positions that were closed, all fees paid so far taken off.
    #[serde(with = "decimal_text")]
    pub realized_pnl: Decimal,
    /// From positions that are open, at the last price.
    #[serde(with = "decimal_text")]
    pub unrealized_pnl: Decimal,
    /// Both together.
    #[serde(with = "decimal_text")]
    pub total_pnl: Decimal,
    /// The time of the event that caused the snapshot.
    #[serde(deserialize_with = "instant_text::deserialize")]
    pub timestamp: DateTime<Utc>,
}
