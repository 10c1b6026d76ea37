//! What a market order costs on paper: a pure function of the signal's price, so that the same feed gives the
//! same fills whatever the speed.

use rust_decimal::{Decimal, RoundingStrategy};
use thiserror::Error;

use super::{price::Price, quantity::Quantity, side::Side};

/// The terms of paper trading, in percent: 0.05 is five hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaperTrading {
    slippage_percent: Decimal,
    commission_percent: Decimal,
}

/// A term of paper trading that is out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PaperTradingError {
    /// The slippage.
    #[error("a slippage of {0} %; expected at least 0 and less than 50")]
    Slippage(Decimal),
    /// The commission.
    #[error("a commission of {0} %; expected at least 0 and less than 50")]
    Commission(Decimal),
}

/// What one order was filled at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// The direction of the trade.
    pub side: Side,
    /// How many units.
    pub quantity: Quantity,
    /// The price of a unit, slippage included, with 4 decimals.
    pub price: Price,
    /// The commission, with 4 decimals, in the price's currency.
    pub fees: Decimal,
}

impl Default for PaperTrading {
    /// 0.05 % of slippage, 0.1 % of commission.
    fn default() -> Self {
        Self { slippage_percent: Decimal::new(5, 2), commission_percent: Decimal::new(1, 1) }
    }
}

impl PaperTrading {
    /// The terms.
    ///
    /// # Errors
    /// If a term is below 0 or not below 50.
    pub fn new(slippage_percent: Decimal, commission_percent: Decimal) -> Result<Self, PaperTradingError> {
        let range = Decimal::ZERO..Decimal::from(50);
        if !range.contains(&slippage_percent) {
            return Err(PaperTradingError::Slippage(slippage_percent));
        }
        if !range.contains(&commission_percent) {
            return Err(PaperTradingError::Commission(commission_percent));
        }
        Ok(Self { slippage_percent, commission_percent })
    }

    /// Fills a market order at `price`: a purchase at price × (1 + slippage), a sale at price × (1 − slippage),
    /// rounded to 4 decimals, half to even. The commission is taken on that price × quantity and rounded alike.
    #[must_use]
    pub fn fill(&self, side: Side, quantity: Quantity, price: Price) -> Fill {
        let slippage = percent(price.get(), self.slippage_percent);
        let filled = Price::of_fill(match side {
            Side::Buy => price.get() + slippage,
            Side::Sell => price.get() - slippage,
        });
        let notional = filled.get() * Decimal::from(quantity.get());
        let fees = percent(notional, self.commission_percent)
            .round_dp_with_strategy(4, RoundingStrategy::MidpointNearestEven);
        Fill { side, quantity, price: filled, fees }
    }
}

impl Fill {
    /// Price × quantity, without fees.
    #[must_use]
    pub fn notional(&self) -> Decimal {
        self.price.get() * Decimal::from(self.quantity.get())
    }

    /// What the trade adds to the cash: below 0 for a purchase. Fees are taken off.
    #[must_use]
    pub fn cash_change(&self) -> Decimal {
        match self.side {
            Side::Buy => -self.notional() - self.fees,
            Side::Sell => self.notional() - self.fees,
        }
    }
}

fn percent(amount: Decimal, percent: Decimal) -> Decimal {
    amount * percent * Decimal::new(1, 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(text: &str) -> Price {
        Price::new(text.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_purchase_pays_more_and_a_sale_gets_less_by_slippage_and_commission() {
        let terms = PaperTrading::default();
        let bought = terms.fill(Side::Buy, Quantity::new(100).unwrap(), price("167.41"));
        assert_eq!(bought.price.to_string(), "167.4937");
        assert_eq!(bought.fees.to_string(), "16.7494");
        assert_eq!(bought.cash_change().to_string(), "-16766.1194");
        let sold = terms.fill(Side::Sell, Quantity::new(100).unwrap(), price("167.41"));
        assert_eq!(sold.price.to_string(), "167.3263");
        assert_eq!(sold.fees.to_string(), "16.7326");
        assert_eq!(sold.cash_change().to_string(), "16715.8974");
    }

    #[test]
    fn the_greatest_order_at_the_greatest_price_can_be_filled() {
        let terms = PaperTrading::new("49.999".parse().unwrap(), "49.999".parse().unwrap()).unwrap();
        let fill = terms.fill(Side::Buy, Quantity::new(u32::MAX).unwrap(), Price::MAX);
        assert_eq!(fill.price, Price::MAX);
    }

    #[test]
    fn terms_out_of_range_are_refused() {
        assert!(PaperTrading::new(Decimal::from(50), Decimal::ZERO).is_err());
        assert!(PaperTrading::new(Decimal::ZERO, Decimal::new(-1, 2)).is_err());
    }

    proptest! {
        #[test]
        fn a_trade_there_and_back_at_one_price_never_gains(
            micros in 100_i64..100_000_000_000_000,
            units in 1_u32..1_000_000,
        ) {
            let (terms, units) = (PaperTrading::default(), Quantity::new(units).unwrap());
            let price = Price::new(Decimal::new(micros, 6)).unwrap();
            let bought = terms.fill(Side::Buy, units, price);
            let sold = terms.fill(Side::Sell, units, price);
            prop_assert!(bought.price >= sold.price);
            prop_assert!(bought.cash_change() + sold.cash_change() <= Decimal::ZERO);
        }
    }
}
