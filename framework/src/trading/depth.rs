//! The order book's top, as a quote carries it.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::decimal_text;

/// The best open orders, best first on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Depth {
    /// Orders to buy, by price from the highest down.
    pub buy: Vec<DepthLevel>,
    /// Orders to sell, by price from the lowest up.
    pub sell: Vec<DepthLevel>,
}

/// All open orders of one side at one price. Brokers fill up missing levels with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepthLevel {
    /// The price of a unit, in the instrument's currency; 0 where there is no such level.
    #[serde(with = "decimal_text")]
    pub price: Decimal,
    /// Units wanted or offered.
    pub quantity: u64,
    /// The number of orders.
    pub orders: u64,
}
