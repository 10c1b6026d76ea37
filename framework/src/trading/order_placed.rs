//! An order that went to whoever executes it.

use crate::Event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    account_key::AccountKey, execution_mode::ExecutionMode, instant_text, instrument_token::InstrumentToken,
    order_id::OrderId, order_status::OrderStatus, price::Price, quantity::Quantity, signal_type::SignalType,
    strategy_id::StrategyId,
};

/// An order handed over for execution. Key: the account, `strategy:instrument`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "order_placed", version = 1, key = "{strategy_id}:{instrument_token}")]
pub struct OrderPlaced {
    /// The order's name.
    pub order_id: OrderId,
    /// Whose order it is.
    pub strategy_id: StrategyId,
    /// What is traded.
    pub instrument_token: InstrumentToken,
    /// What to do.
    pub signal_type: SignalType,
    /// How many units.
    pub quantity: Quantity,
    /// The price that the order refers to; none for a market order at any price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Where the order stands.
    pub status: OrderStatus,
    /// Who executes it.
    pub execution_mode: ExecutionMode,
    /// The time of the signal that caused it.
    #[serde(deserialize_with = "instant_text::deserialize")]
    pub timestamp: DateTime<Utc>,
}

impl OrderPlaced {
    /// The account that the order is for: the event's key.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        AccountKey::new(&self.strategy_id, self.instrument_token)
    }
}
