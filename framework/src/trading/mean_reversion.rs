//! The mean reversion strategy: bets that a price far from its mean comes back.

use serde::{Deserialize, Serialize};

use super::{price::Price, price_window::PriceWindow, side::Side};

/// Buys below the lower and sells above the upper of two bands around the mean of the last 20 prices, this one
/// included: the mean ∓ 2 standard deviations (of the 20, not of a sample).
///
/// A signal is given when the price leaves the bands, and not again before it was back within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MeanReversion {
    /// The side of the band that the price is outside of.
    outside: Option<Side>,
}

impl MeanReversion {
    /// Standard deviations from the mean to a band.
    pub const DEVIATIONS: i128 = 2;

    /// Takes in the last price of `window`, which is `price`.
    pub fn on_price(&mut self, window: &PriceWindow, price: Price) -> Option<Side> {
        let outside = Self::band_left(window.full()?, price.micros());
        let left = outside.filter(|side| self.outside != Some(*side));
        self.outside = outside;
        left
    }

    /// With n prices, their sum S and the sum Q of their squares, all relative to the last price: its distance from
    /// the mean is −S ÷ n, and the variance (nQ − S²) ÷ n². So |distance| > k·σ is S² > k²·(nQ − S²): whole numbers
    /// and no root. They fit: a price is below 2^47, so that nQ is below 2^103.
    fn band_left(prices: &[i64; PriceWindow::LENGTH], last: i64) -> Option<Side> {
        let sum: i64 = prices.iter().map(|price| price - last).sum();
        let squares: i128 = prices.iter().map(|price| square(price - last)).sum();
        let sum_squared = square(sum);
        let variance = squares * PriceWindow::LENGTH as i128 - sum_squared;
        if sum_squared <= Self::DEVIATIONS * Self::DEVIATIONS * variance {
            None
        } else if sum > 0 {
            Some(Side::Buy)
        } else {
            Some(Side::Sell)
        }
    }
}

fn square(value: i64) -> i128 {
    i128::from(value) * i128::from(value)
}
