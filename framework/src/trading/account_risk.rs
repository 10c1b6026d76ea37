//! Risk's view of one account: what it may still do.
//!
//! **Decisions depend on the sequence of signals and on nothing else.** An order counts as filled from the moment
//! that its signal is validated: in the exposure as a reservation, in the cash at the price that paper trading will
//! fill it at, in the day's trades. When its fill comes back, early or late, units move from the reservation to the
//! position, and no sum changes. So the same signals give the same orders whatever the speed, the number of
//! processes, or the crashes on the way. (An order that fails is the exception, as it must be: it gives back what
//! it had reserved, from then on. On paper a validated order never fails.)

use std::fmt::Write as _;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    decimal_text, market_hours::MarketHours, order_failed::OrderFailed, order_filled::OrderFilled,
    paper_trading::Fill, price::Price, rejected_signal::RejectedSignal, risk_checks::RiskChecks,
    risk_limits::RiskLimits, risk_rule::RiskRule, side::Side, text::Text, trading_signal::TradingSignal,
    validated_signal::ValidatedSignal,
};

/// What risk remembers of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountRisk {
    /// Units held, by the fills that came back; below 0 for a short position.
    position: i64,
    /// Units ordered and not yet filled, purchases less sales.
    reserved: i64,
    /// What all validated orders together add to the starting cash, fees included.
    #[serde(with = "decimal_text")]
    cash_change: Decimal,
    /// The market day that trades are counted for.
    market_day: Option<NaiveDate>,
    /// Trades validated on that day.
    trades_today: u32,
    /// The price of the last signal, also of a rejected one.
    last_price: Option<Price>,
}

/// What becomes of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It passed all rules, and its order is reserved.
    Validated(ValidatedSignal),
    /// It failed at least one; the account has taken note of its price and day only.
    Rejected(RejectedSignal),
}

impl AccountRisk {
    /// Units held and ordered together: what the limits count.
    #[must_use]
    pub const fn exposure(&self) -> i64 {
        self.position + self.reserved
    }

    /// Units held, by the fills that came back.
    #[must_use]
    pub const fn position(&self) -> i64 {
        self.position
    }

    /// Units ordered and not yet filled, purchases less sales.
    #[must_use]
    pub const fn reserved(&self) -> i64 {
        self.reserved
    }

    /// The cash, with all validated orders counted as filled.
    #[must_use]
    pub fn cash(&self, limits: &RiskLimits) -> Decimal {
        limits.starting_cash + self.cash_change
    }

    /// Trades validated on the market day of the last signal.
    #[must_use]
    pub const fn trades_today(&self) -> u32 {
        self.trades_today
    }

    /// Decides on a signal, and reserves its order if it passes all rules.
    pub fn decide(&mut self, limits: &RiskLimits, signal: &TradingSignal) -> Verdict {
        self.begin_day_of(signal);
        let mut review = Review { checks: RiskChecks::default(), reason: String::new() };
        let order = self.review(limits, signal, &mut review);
        if signal.price.is_some() {
            self.last_price = signal.price;
        }
        match (Text::new(review.reason), order) {
            (Err(_), Some((price, fill))) => {
                self.reserved += fill.side.sign() * fill.quantity.units();
                self.cash_change += fill.cash_change();
                self.trades_today += 1;
                Verdict::Validated(ValidatedSignal {
                    original_signal: signal.clone(),
                    validated_quantity: signal.quantity,
                    validated_price: Some(price),
                    risk_checks: review.checks,
                    timestamp: signal.timestamp,
                })
            }
            (reason, _) => Verdict::Rejected(RejectedSignal {
                original_signal: signal.clone(),
                rejection_reason: reason.unwrap_or_else(|_| Text::of("there is nothing to trade")),
                risk_checks: review.checks,
                timestamp: signal.timestamp,
            }),
        }
    }

    /// Takes in a fill: its units move from the reservation to the position; the exposure stays.
    pub fn filled(&mut self, order: &OrderFilled) {
        let units = order.side.sign() * order.quantity.units();
        self.reserved -= units;
        self.position += units;
    }

    /// Takes in a failure: the order gives back its units, its cash and, on the same market day, its trade.
    pub fn failed(&mut self, limits: &RiskLimits, order: &OrderFailed) {
        let Some(side) = order.signal_type.side() else { return };
        self.reserved -= side.sign() * order.quantity.units();
        if let Some(price) = order.price {
            self.cash_change -= limits.paper_trading.fill(side, order.quantity, price).cash_change();
        }
        let day = MarketHours::of(order.instrument_token.market()).market_day(order.timestamp);
        if self.market_day == Some(day) {
            self.trades_today = self.trades_today.saturating_sub(1);
        }
    }

    /// Counts from zero on a later market day. A signal of an earlier day counts for the latest one seen.
    fn begin_day_of(&mut self, signal: &TradingSignal) {
        let day = MarketHours::of(signal.instrument_token.market()).market_day(signal.timestamp);
        if self.market_day.is_none_or(|latest| day > latest) {
            self.market_day = Some(day);
            self.trades_today = 0;
        }
    }

    /// Checks every rule that can be checked; gives the order as it would be filled if there is one.
    fn review(
        &self,
        limits: &RiskLimits,
        signal: &TradingSignal,
        review: &mut Review,
    ) -> Option<(Price, Fill)> {
        let quantity = signal.quantity;
        review.check(RiskRule::QuantityRange, limits.allow_quantity(quantity), || {
            format!("a quantity of {quantity} is outside the limits of one order")
        });
        review.check(RiskRule::InstrumentAllowed, limits.allow_instrument(signal.instrument_token), || {
            format!("instrument {} may not be traded", signal.instrument_token)
        });
        review.check(RiskRule::DailyTrades, self.trades_today < limits.max_trades_per_day, || {
            format!("the day's {} trades are used up", limits.max_trades_per_day)
        });
        let side = signal.signal_type.side();
        review.check(RiskRule::Actionable, side.is_some(), || "a signal to hold asks for no trade".into());
        review.check(RiskRule::PriceKnown, signal.price.is_some(), || "the signal has no price".into());
        if let Some(price) = signal.price {
            self.review_price(limits, price, review);
        }
        let exposure = self.exposure() + side?.sign() * quantity.units();
        let max = i64::from(limits.max_position);
        review.check(RiskRule::MaxPosition, exposure.abs() <= max, || {
            format!("the position would be {exposure}, its limit is {max}")
        });
        let fill = limits.paper_trading.fill(side?, quantity, signal.price?);
        self.review_money(limits, exposure, signal.price?, &fill, review);
        Some((signal.price?, fill))
    }

    fn review_price(&self, limits: &RiskLimits, price: Price, review: &mut Review) {
        review.check(RiskRule::PriceRange, limits.allow_price(price), || {
            format!("a price of {price} is outside the limits of one order")
        });
        let near = self.last_price.is_none_or(|last| {
            let distance = (price.get() - last.get()).abs();
            distance * Decimal::ONE_HUNDRED <= limits.price_band_percent * last.get()
        });
        review.check(RiskRule::PriceBand, near, || {
            let last = self.last_price.map_or(Decimal::ZERO, Price::get);
            format!("the price {price} is more than {} % from {last} before", limits.price_band_percent)
        });
    }

    fn review_money(
        &self,
        limits: &RiskLimits,
        exposure: i64,
        price: Price,
        fill: &Fill,
        review: &mut Review,
    ) {
        let cash = self.cash(limits);
        let payable = fill.side == Side::Sell || cash + fill.cash_change() >= Decimal::ZERO;
        review.check(RiskRule::Cash, payable, || {
            format!("the purchase costs {}, the cash is {cash}", -fill.cash_change())
        });
        if let Some(max) = limits.max_position_notional {
            let notional = Decimal::from(exposure.abs()) * price.get();
            review.check(RiskRule::PositionNotional, notional <= max, || {
                format!("the position would be worth {notional}, its limit is {max}")
            });
        }
    }
}

/// The outcomes so far, and in words what failed.
struct Review {
    checks: RiskChecks,
    reason: String,
}

impl Review {
    fn check(&mut self, rule: RiskRule, passed: bool, problem: impl FnOnce() -> String) {
        self.checks.record(rule, passed);
        if !passed {
            let separator = if self.reason.is_empty() { "" } else { "; " };
            // Writing to a string can't fail.
            let _ = write!(self.reason, "{separator}{}", problem());
        }
    }
}

#[cfg(test)]
mod tests;
