//! A line of a file of trades.

use pandaflow::trading::Price;

use super::{error::LineProblem, fields::Fields};

/// A trade: when, at what price, how many units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trade {
    /// Milliseconds since midnight.
    pub(super) millis: u32,
    pub(super) price: Price,
    pub(super) quantity: u64,
}

impl Trade {
    /// Reads `milliseconds,price × 10000,quantity,exchange,flags,suspicious`. The last three are checked and not
    /// kept: no payload has a place for them.
    pub(super) fn parse(line: &[u8]) -> Result<Self, LineProblem> {
        let fields = Fields::split(line)?;
        let trade = Self {
            millis: fields.millis()?,
            price: fields.scaled_price(1, "price")?,
            quantity: fields.units(2, "quantity", 1)?,
        };
        fields.require(3, "exchange", "a capital letter", |exchange| {
            exchange.len() == 1 && exchange[0].is_ascii_uppercase()
        })?;
        fields.require(4, "flags", "1 to 8 hexadecimal digits", |flags| {
            (1..=8).contains(&flags.len()) && flags.iter().all(u8::is_ascii_hexdigit)
        })?;
        fields.require(5, "suspicious", "0 or 1", |flag| matches!(flag, b"0" | b"1"))?;
        Ok(trade)
    }
}
