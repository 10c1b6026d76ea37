//! What is held of one instrument and what it cost, by weighted average.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::{decimal_text, paper_trading::Fill};

/// Units held (below 0: sold short) and what they cost together.
///
/// The cost is kept as a sum, not as an average: an average is a quotient, and its lost digits would show up as
/// money made or lost. So `realized + unrealized = equity − starting cash` holds to the last digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Units held; below 0 for a short position.
    pub quantity: i64,
    /// What the units cost, without fees; below 0 for a short position (what its sale brought).
    #[serde(with = "decimal_text")]
    pub cost: Decimal,
}

impl Position {
    /// Takes in a fill; gives the profit of the units that it closed, fees not taken off.
    ///
    /// A fill against the position closes units at their average cost, the closed part of the cost rounded to 4
    /// decimals, half to even; what goes beyond it opens a position the other way at the fill's price.
    pub fn apply(&mut self, fill: &Fill) -> Decimal {
        let units = fill.side.sign() * fill.quantity.units();
        let closing = if self.quantity.signum() * units < 0 {
            units.abs().min(self.quantity.abs()) * units.signum()
        } else {
            0
        };
        let profit = if closing == 0 { Decimal::ZERO } else { self.close(closing, fill) };
        let opening = units - closing;
        self.quantity += opening;
        self.cost += Decimal::from(opening) * fill.price.get();
        profit
    }

    /// Average cost of a unit, rounded to 4 decimals, half to even; none when nothing is held.
    #[must_use]
    pub fn average_cost(&self) -> Option<Decimal> {
        let quotient = self.cost.checked_div(Decimal::from(self.quantity))?;
        Some(quotient.round_dp_with_strategy(4, RoundingStrategy::MidpointNearestEven))
    }

    /// What the units are worth at `price`; below 0 for a short position.
    #[must_use]
    pub fn value(&self, price: Decimal) -> Decimal {
        Decimal::from(self.quantity) * price
    }

    /// What would be gained by closing at `price`, without fees.
    #[must_use]
    pub fn unrealized(&self, price: Decimal) -> Decimal {
        self.value(price) - self.cost
    }

    /// Takes `units` (with the sign of the fill) off the position; gives the profit.
    fn close(&mut self, units: i64, fill: &Fill) -> Decimal {
        let share = if units == -self.quantity {
            self.cost
        } else {
            (self.cost * Decimal::from(-units) / Decimal::from(self.quantity))
                .round_dp_with_strategy(4, RoundingStrategy::MidpointNearestEven)
        };
        self.quantity += units;
        self.cost -= share;
        Decimal::from(-units) * fill.price.get() - share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trading::{price::Price, quantity::Quantity, side::Side};

    fn fill(side: Side, quantity: u32, price: &str) -> Fill {
        Fill {
            side,
            quantity: Quantity::new(quantity).unwrap(),
            price: Price::new(price.parse().unwrap()).unwrap(),
            fees: Decimal::ZERO,
        }
    }

    fn apply(position: &mut Position, side: Side, quantity: u32, price: &str) -> String {
        position.apply(&fill(side, quantity, price)).normalize().to_string()
    }

    #[test]
    fn purchases_are_averaged_and_sales_realize_against_the_average() {
        let mut held = Position::default();
        assert_eq!(apply(&mut held, Side::Buy, 100, "10"), "0");
        assert_eq!(apply(&mut held, Side::Buy, 100, "12"), "0");
        assert_eq!(held.average_cost(), Some(Decimal::from(11)));
        assert_eq!(apply(&mut held, Side::Sell, 50, "14"), "150");
        assert_eq!(held.average_cost(), Some(Decimal::from(11)));
        assert_eq!(held.unrealized(Decimal::from(12)), Decimal::from(150));
        assert_eq!(apply(&mut held, Side::Sell, 150, "10"), "-150");
        assert_eq!(held, Position::default());
        assert_eq!(held.average_cost(), None);
    }

    #[test]
    fn a_short_position_gains_when_it_is_bought_back_cheaper() {
        let mut held = Position::default();
        assert_eq!(apply(&mut held, Side::Sell, 100, "10"), "0");
        assert_eq!(held.average_cost(), Some(Decimal::from(10)));
        assert_eq!(held.unrealized(Decimal::from(9)), Decimal::from(100));
        assert_eq!(apply(&mut held, Side::Buy, 40, "9"), "40");
    }

    #[test]
    fn a_fill_beyond_the_position_turns_it_round_at_the_fills_price() {
        let mut held = Position::default();
        apply(&mut held, Side::Buy, 100, "10");
        assert_eq!(apply(&mut held, Side::Sell, 150, "11"), "100");
        assert_eq!(held, Position { quantity: -50, cost: Decimal::from(-550) });
    }
}
