//! A signal that the account's limits forbid.

use std::borrow::Cow;

use crate::Event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    account_key::AccountKey, instant_text, risk_checks::RiskChecks, text::Text, trading_signal::TradingSignal,
};

/// A signal that risk turned down. Key: the account, `strategy:instrument`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "rejected_signal", version = 1, key_with = Self::partition_key)]
pub struct RejectedSignal {
    /// The signal as the strategy gave it.
    pub original_signal: TradingSignal,
    /// Which rule it failed and by what figures, for a person.
    pub rejection_reason: Text,
    /// The rules that were checked.
    pub risk_checks: RiskChecks,
    /// The signal's time.
    #[serde(deserialize_with = "instant_text::deserialize")]
    pub timestamp: DateTime<Utc>,
}

impl RejectedSignal {
    /// The partition key: that of the signal.
    fn partition_key(&self) -> Cow<'_, str> {
        self.account_key().to_string().into()
    }

    /// The account that the signal was for: the event's key.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        self.original_signal.account_key()
    }
}
