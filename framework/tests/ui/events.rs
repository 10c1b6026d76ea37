//! Events and a state for the cases.

use pandaflow::{Classify, Event};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event(type = "trading_signal", key = "{account}")]
pub struct TradingSignal {
    pub account: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "order_filled", key = "{account}")]
pub struct OrderFilled {
    pub account: String,
}

#[derive(Default, Clone, Serialize, Deserialize)]
pub struct Account {
    pub reserved: u32,
}

#[derive(Debug, Classify)]
#[class(transient)]
pub struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}
