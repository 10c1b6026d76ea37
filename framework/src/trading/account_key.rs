//! The key of signals and orders: one strategy on one instrument, which is one account.

use std::{fmt, str::FromStr};

use thiserror::Error;

use super::{instrument_token::InstrumentToken, strategy_id::StrategyId};

/// One strategy on one instrument. Limits, position and cash are its own, so that they hold however many
/// processes share the work. Written `strategy:instrument`: `momentum:3050241`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// Whose decisions are booked here.
    pub strategy_id: StrategyId,
    /// What is traded here.
    pub instrument_token: InstrumentToken,
}

/// A text that is no account's key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no account's key; expected `strategy:instrument`, such as `momentum:3050241`")]
pub struct AccountKeyError(String);

impl AccountKey {
    /// The account of `strategy_id` on `instrument_token`.
    #[must_use]
    pub fn new(strategy_id: &StrategyId, instrument_token: InstrumentToken) -> Self {
        Self { strategy_id: strategy_id.clone(), instrument_token }
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.strategy_id, self.instrument_token)
    }
}

impl FromStr for AccountKey {
    type Err = AccountKeyError;

    fn from_str(key: &str) -> Result<Self, AccountKeyError> {
        let parse = || {
            // From the right: a strategy may have a colon in its name, a number has none.
            let (strategy, token) = key.rsplit_once(':')?;
            let instrument_token = InstrumentToken::new(token.parse().ok()?)?;
            Some(Self { strategy_id: StrategyId::new(strategy).ok()?, instrument_token })
        };
        parse().ok_or_else(|| AccountKeyError(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_text() {
        for text in ["momentum:3050241", "a:b:1"] {
            assert_eq!(text.parse::<AccountKey>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_text() {
        for text in ["", "momentum", "momentum:", ":1", "momentum:0", "momentum:x", "momentum:-1"] {
            let error = text.parse::<AccountKey>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")));
        }
    }
}
