//! A signal that passed the account's limits: the event between risk and execution.

use std::borrow::Cow;

use crate::Event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    account_key::AccountKey, instant_text, price::Price, quantity::Quantity, risk_checks::RiskChecks,
    trading_signal::TradingSignal,
};

/// A signal that risk let through. Key: the account, `strategy:instrument`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "validated_signal", version = 1, key_with = Self::partition_key)]
pub struct ValidatedSignal {
    /// The signal as the strategy gave it.
    pub original_signal: TradingSignal,
    /// How many units may be traded.
    pub validated_quantity: Quantity,
    /// The price that the limits were checked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated_price: Option<Price>,
    /// The rules that were checked.
    pub risk_checks: RiskChecks,
    /// The signal's time.
    #[serde(deserialize_with = "instant_text::deserialize")]
    pub timestamp: DateTime<Utc>,
}

impl ValidatedSignal {
    /// The partition key: that of the signal.
    fn partition_key(&self) -> Cow<'_, str> {
        self.account_key().to_string().into()
    }

    /// The account that the signal is for: the event's key.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        self.original_signal.account_key()
    }
}
