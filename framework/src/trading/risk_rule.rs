//! The rules that a signal must pass, by the names that they have in the risk checks.

/// A rule of risk. Its name on the wire is in lower case with underscores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RiskRule {
    /// The signal asks for a trade, not to hold.
    Actionable,
    /// The signal carries a price.
    PriceKnown,
    /// The quantity is within the limits of one order.
    QuantityRange,
    /// The price is within the limits of one order.
    PriceRange,
    /// The instrument may be traded.
    InstrumentAllowed,
    /// The position would be within its limit, long or short.
    MaxPosition,
    /// The market day has trades left.
    DailyTrades,
    /// The price is near that of the account's signal before.
    PriceBand,
    /// The cash pays for the purchase.
    Cash,
    /// The position would be worth no more than its limit.
    PositionNotional,
}

impl RiskRule {
    /// The rule's name in [`super::RiskChecks`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Actionable => "actionable",
            Self::PriceKnown => "price_known",
            Self::QuantityRange => "quantity_range",
            Self::PriceRange => "price_range",
            Self::InstrumentAllowed => "instrument_allowed",
            Self::MaxPosition => "max_position",
            Self::DailyTrades => "daily_trades",
            Self::PriceBand => "price_band",
            Self::Cash => "cash",
            Self::PositionNotional => "position_notional",
        }
    }
}
