//! The root of every chain of events: the price of an instrument at an instant.

use crate::Event;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    decimal_text, depth::Depth, instant_text, instrument_token::InstrumentToken, ohlc::Ohlc, price::Price,
    text::Text,
};

/// One observation of an instrument: a trade, a bar or a quote. Key: the instrument's token.
///
/// Prices are in the instrument's currency, quantities and volumes in units (shares, lots).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "market_tick", version = 1, key = "{instrument_token}")]
pub struct MarketTick {
    /// What was observed.
    pub instrument_token: InstrumentToken,
    /// The price of the last trade.
    pub last_price: Price,
    /// When that was: the event's time, from which everything downstream takes its own.
    #[serde(deserialize_with = "instant_text::deserialize")]
    pub timestamp: DateTime<Utc>,
    /// The instrument's name on its exchange: `SPY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Text>,
    /// Units traded: since the day's start for a quote, within the bar for a bar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_traded: Option<u64>,
    /// Units of the last trade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_traded_quantity: Option<u64>,
    /// Average price of the day's trades, weighted by quantity.
    #[serde(default, with = "decimal_text::option", skip_serializing_if = "Option::is_none")]
    pub average_traded_price: Option<Decimal>,
    /// Units wanted in all open orders to buy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_buy_quantity: Option<u64>,
    /// Units offered in all open orders to sell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_sell_quantity: Option<u64>,
    /// The last price less the previous day's close, in percent of that close.
    #[serde(default, with = "decimal_text::option", skip_serializing_if = "Option::is_none")]
    pub change: Option<Decimal>,
    /// The prices of the bar or of the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ohlc: Option<Ohlc>,
    /// Open interest: contracts outstanding, of a derivative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oi: Option<u64>,
    /// The day's greatest open interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oi_day_high: Option<u64>,
    /// The day's least open interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oi_day_low: Option<u64>,
    /// When the last trade was.
    #[serde(
        default,
        deserialize_with = "instant_text::option::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_trade_time: Option<DateTime<Utc>>,
    /// When the exchange sent this.
    #[serde(
        default,
        deserialize_with = "instant_text::option::deserialize",
        skip_serializing_if = "Option::is_none"
    )]
    pub exchange_timestamp: Option<DateTime<Utc>>,
    /// The best open orders on both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<Depth>,
    /// How much of the above the feed was asked for: Zerodha says `ltp`, `quote` or `full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Text>,
    /// Whether the instrument can be traded; an index can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tradable: Option<bool>,
}

impl MarketTick {
    /// A tick of which only the price and its instant are known.
    #[must_use]
    pub const fn new(instrument_token: InstrumentToken, last_price: Price, timestamp: DateTime<Utc>) -> Self {
        Self {
            instrument_token,
            last_price,
            timestamp,
            symbol: None,
            volume_traded: None,
            last_traded_quantity: None,
            average_traded_price: None,
            total_buy_quantity: None,
            total_sell_quantity: None,
            change: None,
            ohlc: None,
            oi: None,
            oi_day_high: None,
            oi_day_low: None,
            last_trade_time: None,
            exchange_timestamp: None,
            depth: None,
            mode: None,
            tradable: None,
        }
    }
}
