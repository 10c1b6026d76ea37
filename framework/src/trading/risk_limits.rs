//! What an account may do.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::{
    instrument_token::InstrumentToken, paper_trading::PaperTrading, price::Price, quantity::Quantity,
};

/// The limits of every account of a namespace, each account by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskLimits {
    /// Units that may be held, long or short. Default: 1,000.
    pub max_position: u32,
    /// Trades on one market day. Default: 50.
    pub max_trades_per_day: u32,
    /// How far a price may be from that of the account's signal before, in percent of it. Default: 10.
    pub price_band_percent: Decimal,
    /// Cash at the start, in the instrument's currency. Default: 1,000,000.
    pub starting_cash: Decimal,
    /// The terms that the cost of a trade is counted with.
    pub paper_trading: PaperTrading,
    /// The smallest quantity of one order. Default: 1.
    pub min_quantity: Option<Quantity>,
    /// The greatest quantity of one order. Default: no limit.
    pub max_quantity: Option<Quantity>,
    /// The lowest price of one order. Default: no limit.
    pub min_price: Option<Price>,
    /// The highest price of one order. Default: no limit.
    pub max_price: Option<Price>,
    /// The only instruments that may be traded. Default: all.
    pub allowed_instruments: Option<BTreeSet<InstrumentToken>>,
    /// What the position may be worth at the signal's price, long or short. Default: no limit.
    pub max_position_notional: Option<Decimal>,
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self {
            max_position: 1_000,
            max_trades_per_day: 50,
            price_band_percent: Decimal::TEN,
            starting_cash: Decimal::from(1_000_000),
            paper_trading: PaperTrading::default(),
            min_quantity: None,
            max_quantity: None,
            min_price: None,
            max_price: None,
            allowed_instruments: None,
            max_position_notional: None,
        }
    }
}

impl RiskLimits {
    /// Whether one order may have this quantity.
    #[must_use]
    pub fn allow_quantity(&self, quantity: Quantity) -> bool {
        self.min_quantity.is_none_or(|min| quantity >= min)
            && self.max_quantity.is_none_or(|max| quantity <= max)
    }

    /// Whether one order may have this price.
    #[must_use]
    pub fn allow_price(&self, price: Price) -> bool {
        self.min_price.is_none_or(|min| price >= min) && self.max_price.is_none_or(|max| price <= max)
    }

    /// Whether this instrument may be traded.
    #[must_use]
    pub fn allow_instrument(&self, token: InstrumentToken) -> bool {
        self.allowed_instruments.as_ref().is_none_or(|allowed| allowed.contains(&token))
    }
}
