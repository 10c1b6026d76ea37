//! A line of a file of minute bars.

use pandaflow::trading::{Ohlc, Price};

use super::{error::LineProblem, fields::Fields};

/// A minute bar: when it began, its prices, the units traded in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    /// Milliseconds since midnight, of the minute's start.
    pub(super) millis: u32,
    pub(super) ohlc: Ohlc,
    /// None for an index, which is not traded.
    pub(super) volume: Option<u64>,
}

impl Bar {
    /// A bar's length in milliseconds.
    pub(super) const MILLIS: u32 = 60_000;

    /// Reads `milliseconds,open,high,low,close,volume` of a share, prices × 10,000.
    pub(super) fn parse_share(line: &[u8]) -> Result<Self, LineProblem> {
        let fields = Fields::split(line)?;
        let volume = fields.units(5, "volume", 0)?;
        Self::read(&fields, Some(volume), Fields::scaled_price)
    }

    /// Reads the same of an index: plain prices, and a volume of 0.
    pub(super) fn parse_index(line: &[u8]) -> Result<Self, LineProblem> {
        let fields = Fields::split(line)?;
        fields.require(5, "volume", "0, since an index has no volume", |volume| volume == b"0")?;
        Self::read(&fields, None, Fields::plain_price)
    }

    fn read<'a>(
        fields: &Fields<'a>,
        volume: Option<u64>,
        price: impl Fn(&Fields<'a>, usize, &'static str) -> Result<Price, LineProblem>,
    ) -> Result<Self, LineProblem> {
        let millis = fields.millis()?;
        fields.require(0, "time", "the start of a minute, a multiple of 60000", |_| {
            millis.is_multiple_of(Self::MILLIS)
        })?;
        let ohlc = Ohlc {
            open: price(fields, 1, "open")?,
            high: price(fields, 2, "high")?,
            low: price(fields, 3, "low")?,
            close: price(fields, 4, "close")?,
        };
        if ohlc.is_consistent() { Ok(Self { millis, ohlc, volume }) } else { Err(LineProblem::Prices) }
    }
}
