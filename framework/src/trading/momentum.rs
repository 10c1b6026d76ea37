//! The momentum strategy: goes with a price that has moved far within a few ticks.

use serde::{Deserialize, Serialize};

use super::{price::Price, price_window::PriceWindow, side::Side};

/// Buys when the price is more than 1 % above that of 20 ticks before, sells when it is more than 1 % below.
///
/// A signal is given when that becomes true, and not again before it has been false or the other was true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Momentum {
    /// The direction of the move that is under way.
    moving: Option<Side>,
}

impl Momentum {
    /// The move that counts, in percent of the earlier price.
    pub const THRESHOLD_PERCENT: i64 = 1;

    /// Takes in `price`, before which `window` holds the 20 prices.
    pub fn on_price(&mut self, window: &PriceWindow, price: Price) -> Option<Side> {
        let earlier = window.oldest()?;
        // Both sides fit 64 bits: a price is at most 10^14 millionths.
        let change = (price.micros() - earlier) * 100;
        let threshold = earlier * Self::THRESHOLD_PERCENT;
        let moving = if change > threshold {
            Some(Side::Buy)
        } else if change < -threshold {
            Some(Side::Sell)
        } else {
            None
        };
        let began = moving.filter(|side| self.moving != Some(*side));
        self.moving = moving;
        began
    }
}
