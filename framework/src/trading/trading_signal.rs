//! What a strategy wants done: the event between strategies and risk.

use crate::Event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    account_key::AccountKey, confidence::Confidence, instant_text, instrument_token::InstrumentToken,
    price::Price, quantity::Quantity, signal_type::SignalType, strategy_id::StrategyId,
};

/// What a strategy wants done on an instrument. Key: the account, `strategy:instrument`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "trading_signal", version = 1, key = "{strategy_id}:{instrument_token}")]
pub struct TradingSignal {
    /// Whose decision it is.
    pub strategy_id: StrategyId,
    /// What to trade.
    pub instrument_token: InstrumentToken,
    /// What to do.
    pub signal_type: SignalType,
    /// How many units.
    pub quantity: Quantity,
    /// The price that the decision was taken at, and that a market order fills at (with slippage). A signal
    /// without one can't be checked, and risk rejects it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The time of the tick that caused the decision.
    #[serde(deserialize_with = "instant_text::deserialize")]
    pub timestamp: DateTime<Utc>,
    /// How sure the strategy is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// What else the strategy wants known; nothing in the pipeline decides by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

impl TradingSignal {
    /// The account that the signal is for: the event's key.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        AccountKey::new(&self.strategy_id, self.instrument_token)
    }
}
