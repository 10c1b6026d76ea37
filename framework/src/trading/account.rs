//! One account's book: cash, position and what was made, as the portfolio keeps it from fills.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{decimal_text, paper_trading::Fill, position::Position, price::Price};

/// The book of one strategy on one instrument. All amounts are in the instrument's currency and exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Cash now.
    #[serde(with = "decimal_text")]
    pub cash: Decimal,
    /// Units held and their cost.
    pub position: Position,
    /// Profit of closed units less all fees paid so far.
    #[serde(with = "decimal_text")]
    pub realized_pnl: Decimal,
    /// The price that the position was last valued at; none before the first.
    pub last_price: Option<Price>,
    /// Fills taken in.
    pub trades: u64,
}

impl Account {
    /// An account with `starting_cash` and nothing else.
    #[must_use]
    pub fn new(starting_cash: Decimal) -> Self {
        Self {
            cash: starting_cash,
            position: Position::default(),
            realized_pnl: Decimal::ZERO,
            last_price: None,
            trades: 0,
        }
    }

    /// Books a fill, and values the position at its price until a tick says better.
    pub fn apply(&mut self, fill: &Fill) {
        self.cash += fill.cash_change();
        self.realized_pnl += self.position.apply(fill) - fill.fees;
        self.last_price = Some(fill.price);
        self.trades += 1;
    }

    /// Values the position at `price` from now on.
    pub const fn mark(&mut self, price: Price) {
        self.last_price = Some(price);
    }

    /// What closing the position at the last price would gain, without fees.
    #[must_use]
    pub fn unrealized_pnl(&self) -> Decimal {
        self.last_price.map_or(Decimal::ZERO, |price| self.position.unrealized(price.get()))
    }

    /// Realized and unrealized together.
    #[must_use]
    pub fn total_pnl(&self) -> Decimal {
        self.realized_pnl + self.unrealized_pnl()
    }

    /// Cash and the position's value at the last price.
    #[must_use]
    pub fn equity(&self) -> Decimal {
        self.cash + self.last_price.map_or(Decimal::ZERO, |price| self.position.value(price.get()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trading::{paper_trading::PaperTrading, quantity::Quantity, side::Side};

    proptest! {
        #[test]
        fn every_digit_of_the_profit_is_in_the_equity(
            trades in prop::collection::vec((any::<bool>(), 1_u32..2_000, 1_i64..10_000_000_000), 0..60),
            last in 1_i64..10_000_000_000,
        ) {
            let starting_cash = Decimal::from(1_000_000);
            let (terms, mut account) = (PaperTrading::default(), Account::new(starting_cash));
            let (mut paid, mut held, mut fees) = (Decimal::ZERO, 0, Decimal::ZERO);
            for (buy, units, micros) in trades {
                let side = if buy { Side::Buy } else { Side::Sell };
                let price = Price::new(Decimal::new(micros, 6)).unwrap();
                let fill = terms.fill(side, Quantity::new(units).unwrap(), price);
                account.apply(&fill);
                paid -= Decimal::from(side.sign()) * fill.notional();
                held += side.sign() * fill.quantity.units();
                fees += fill.fees;
                prop_assert_eq!(account.equity() - starting_cash, account.total_pnl());
            }
            account.mark(Price::new(Decimal::new(last, 6)).unwrap());
            prop_assert_eq!(account.equity() - starting_cash, account.total_pnl());
            prop_assert_eq!(account.cash, starting_cash + paid - fees);
            prop_assert_eq!(account.position.quantity, held);
        }

        #[test]
        fn a_position_that_is_closed_has_no_cost_left(
            opens in prop::collection::vec((1_u32..2_000, 1_i64..10_000_000_000), 1..20),
            short in any::<bool>(),
        ) {
            let (open, close) = if short { (Side::Sell, Side::Buy) } else { (Side::Buy, Side::Sell) };
            let (terms, mut account) = (PaperTrading::default(), Account::new(Decimal::ZERO));
            for (units, micros) in opens {
                let price = Price::new(Decimal::new(micros, 6)).unwrap();
                account.apply(&terms.fill(open, Quantity::new(units).unwrap(), price));
            }
            let held = u32::try_from(account.position.quantity.abs()).unwrap();
            let price = Price::new(Decimal::ONE).unwrap();
            account.apply(&terms.fill(close, Quantity::new(held).unwrap(), price));
            prop_assert_eq!(account.position, Position::default());
            prop_assert_eq!(account.total_pnl(), account.realized_pnl);
            prop_assert_eq!(account.cash, account.realized_pnl);
        }
    }
}
