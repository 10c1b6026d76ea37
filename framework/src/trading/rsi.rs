//! The RSI strategy: buys what fell too long, sells what rose too long.
//!
//! J. Welles Wilder's relative strength index over 14 changes: 100 × up ÷ (up + down), where `up` and `down` are
//! the averages of gains and of losses, first the plain mean of 14 changes, then smoothed:
//! average ← (13 × average + change) ÷ 14. A change of zero counts as a gain and a loss of zero.

use serde::{Deserialize, Serialize};

use super::{price::Price, side::Side};

/// Buys when the index falls below 30, sells when it rises above 70.
///
/// A signal is given when that becomes true, and not again before it has been false. Sums are kept as whole
/// numbers of 2^-64 millionths, and a smoothing step rounds down to such: the same on every machine. After some
/// 700 ticks without any change nothing is left of them, and the index stands in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rsi {
    /// The price before, in millionths.
    last: Option<i64>,
    /// Changes seen, at most 14.
    changes: u8,
    /// 14 times the average gain, in 2^-64 millionths.
    up: u128,
    /// 14 times the average loss, in 2^-64 millionths.
    down: u128,
    /// The side of the zone that the index is in.
    zone: Option<Side>,
}

impl Rsi {
    /// Changes that the index averages over.
    pub const PERIOD: u8 = 14;
    /// Below this index the instrument is oversold.
    pub const OVERSOLD: u128 = 30;
    /// Above this index the instrument is overbought.
    pub const OVERBOUGHT: u128 = 70;
    const FRACTION_BITS: u32 = 64;

    /// Takes in `price`.
    pub fn on_price(&mut self, price: Price) -> Option<Side> {
        let micros = price.micros();
        let last = self.last.replace(micros)?;
        self.smooth(micros - last);
        if self.changes < Self::PERIOD {
            return None;
        }
        let zone = self.zone_now();
        let entered = zone.filter(|side| self.zone != Some(*side));
        self.zone = zone;
        entered
    }

    /// The index in hundredths, from 0 to 10,000, half up, for a person; none before 14 changes, and none while
    /// nothing changes.
    #[must_use]
    pub fn hundredths(&self) -> Option<u128> {
        // What is cut off is far below a hundredth, and the product fits.
        let (up, down) = (self.up >> 16, self.down >> 16);
        let both = up + down;
        (self.changes == Self::PERIOD && both > 0).then(|| (up * 20_000 + both) / (2 * both))
    }

    fn smooth(&mut self, change: i64) {
        if self.changes < Self::PERIOD {
            self.changes += 1;
        } else {
            let period = u128::from(Self::PERIOD);
            self.up -= self.up.div_ceil(period);
            self.down -= self.down.div_ceil(period);
        }
        // A change is below 2^47, so that 14 of them, with their fraction, are below 2^115.
        let size = u128::from(change.unsigned_abs()) << Self::FRACTION_BITS;
        let sum = if change > 0 { &mut self.up } else { &mut self.down };
        *sum = sum.saturating_add(size);
    }

    /// The zone by 100 × up ÷ (up + down), without the division.
    fn zone_now(&self) -> Option<Side> {
        let both = self.up.saturating_add(self.down);
        let index = self.up.saturating_mul(100);
        if index < both.saturating_mul(Self::OVERSOLD) {
            Some(Side::Buy)
        } else if index > both.saturating_mul(Self::OVERBOUGHT) {
            Some(Side::Sell)
        } else {
            None
        }
    }
}
