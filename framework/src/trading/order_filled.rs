//! An order that was executed: the event between execution and portfolio, and risk's proof of a position.

use crate::Event;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    account_key::AccountKey, decimal_text, execution_mode::ExecutionMode, instant_text,
    instrument_token::InstrumentToken, order_id::OrderId, price::Price, quantity::Quantity, side::Side,
    strategy_id::StrategyId,
};

/// An order, or a part of one, that was executed. Key: the account, `strategy:instrument`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "order_filled", version = 1, key = "{strategy_id}:{instrument_token}")]
pub struct OrderFilled {
    /// The order's name.
    pub order_id: OrderId,
    /// Whose order it was.
    pub strategy_id: StrategyId,
    /// What was traded.
    pub instrument_token: InstrumentToken,
    /// In which direction.
    pub side: Side,
    /// How many units.
    pub quantity: Quantity,
    /// The price of a unit, slippage included.
    pub fill_price: Price,
    /// What the trade cost beside its price, in the instrument's currency.
    #[serde(with = "decimal_text")]
    pub fees: Decimal,
    /// Who executed it.
    pub execution_mode: ExecutionMode,
    /// When it was executed, in the market's time.
    #[serde(deserialize_with = "instant_text::deserialize")]
    pub timestamp: DateTime<Utc>,
}

impl OrderFilled {
    /// The account that the order was for: the event's key.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        AccountKey::new(&self.strategy_id, self.instrument_token)
    }
}
