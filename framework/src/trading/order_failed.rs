//! An order that was not executed: risk gives its reservation back.

use crate::Event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    account_key::AccountKey, execution_mode::ExecutionMode, instant_text, instrument_token::InstrumentToken,
    order_id::OrderId, price::Price, quantity::Quantity, signal_type::SignalType, strategy_id::StrategyId,
    text::Text,
};

/// An order that will not be executed. Key: the account, `strategy:instrument`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "order_failed", version = 1, key = "{strategy_id}:{instrument_token}")]
pub struct OrderFailed {
    /// The order's name.
    pub order_id: OrderId,
    /// Whose order it was.
    pub strategy_id: StrategyId,
    /// What was to be traded.
    pub instrument_token: InstrumentToken,
    /// What was to be done.
    pub signal_type: SignalType,
    /// How many units.
    pub quantity: Quantity,
    /// The price that the signal carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Who was to execute it.
    pub execution_mode: ExecutionMode,
    /// Why it failed, for a person.
    pub error_message: Text,
    /// The time of the signal that caused the order.
    #[serde(deserialize_with = "instant_text::deserialize")]
    pub timestamp: DateTime<Utc>,
}

impl OrderFailed {
    /// The account that the order was for: the event's key.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        AccountKey::new(&self.strategy_id, self.instrument_token)
    }
}
