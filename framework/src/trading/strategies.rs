//! The three strategies on one instrument: from a tick to the signals that it causes.

use serde::{Deserialize, Serialize};

use super::{
    market_tick::MarketTick, mean_reversion::MeanReversion, momentum::Momentum, price::Price,
    price_window::PriceWindow, quantity::Quantity, rsi::Rsi, side::Side, strategy_id::StrategyId, text::Text,
    trading_signal::TradingSignal,
};

/// A strategy of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StrategyKind {
    /// [`Momentum`].
    Momentum,
    /// [`Rsi`].
    Rsi,
    /// [`MeanReversion`].
    MeanReversion,
}

impl StrategyKind {
    /// All of them, in the order in which their signals are given.
    pub const ALL: [Self; 3] = [Self::Momentum, Self::Rsi, Self::MeanReversion];

    /// Its name on the wire: `momentum`, `rsi` or `mean_reversion`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Momentum => "momentum",
            Self::Rsi => "rsi",
            Self::MeanReversion => "mean_reversion",
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(self) -> StrategyId {
        StrategyId::from(Text::of(self.name()))
    }
}

/// What the three strategies remember of one instrument: the last 20 prices and a few numbers, all in place, so
/// that a clone costs no allocation. All decisions are made on whole numbers: the same prices in the same order
/// give the same signals on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Strategies {
    prices: PriceWindow,
    momentum: Momentum,
    rsi: Rsi,
    mean_reversion: MeanReversion,
}

/// What each strategy wants done after a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes([Option<Side>; 3]);

impl Strategies {
    /// Units of a signal unless told otherwise: with it ten signals to the same side reach the limit of 1,000.
    pub const DEFAULT_QUANTITY: u32 = 100;

    /// Takes in a price.
    pub fn on_price(&mut self, price: Price) -> Wishes {
        let momentum = self.momentum.on_price(&self.prices, price);
        self.prices.push(price);
        let rsi = self.rsi.on_price(price);
        let mean_reversion = self.mean_reversion.on_price(&self.prices, price);
        Wishes([momentum, rsi, mean_reversion])
    }

    /// Takes in a tick; gives the signals that it causes, each for `quantity` units at the tick's price and time.
    /// Without signals nothing is allocated.
    pub fn on_tick(&mut self, tick: &MarketTick, quantity: Quantity) -> Vec<TradingSignal> {
        let wishes = self.on_price(tick.last_price);
        wishes
            .iter()
            .map(|(strategy, side)| TradingSignal {
                strategy_id: strategy.id(),
                instrument_token: tick.instrument_token,
                signal_type: side.into(),
                quantity,
                price: Some(tick.last_price),
                timestamp: tick.timestamp,
                confidence: None,
                metadata: None,
            })
            .collect()
    }
}

impl Wishes {
    /// The strategies that want something done, and what.
    pub fn iter(&self) -> impl Iterator<Item = (StrategyKind, Side)> {
        StrategyKind::ALL.into_iter().zip(self.0).filter_map(|(kind, side)| Some((kind, side?)))
    }
}

#[cfg(test)]
mod tests;
