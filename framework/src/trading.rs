//! The trading system's own: the schemas of its events, and its rules as pure functions (feature `trading`).
//!
//! | step | what it needs from here |
//! | --- | --- |
//! | market feed | [`MarketTick`], [`InstrumentToken`], [`MarketHours`] |
//! | strategies | [`Strategies`], which turns ticks into [`TradingSignal`]s |
//! | risk | [`AccountRisk`] with [`RiskLimits`], which turns them into [`ValidatedSignal`]s or [`RejectedSignal`]s |
//! | execution | [`PaperTrading`], which turns [`OrderPlaced`] into [`OrderFilled`] |
//! | portfolio | [`Account`], which books fills, and [`PnlSnapshot`] |
//!
//! Nothing in here has a clock, a random number, I/O or a floating point: the same events in the same order give
//! the same results, to the last digit, on every machine.
//!
//! On the wire decimals are strings and instants are RFC 3339 with an offset; a JSON number where a decimal should
//! be, a time without an offset, an empty text, a quantity of 0 and an unknown name of an enum are refused. Fields
//! that a newer version may have added are passed over.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod account;
mod account_key;
mod account_risk;
mod calendar;
mod confidence;
mod decimal_text;
mod depth;
mod execution_mode;
mod instant_text;
mod instrument_token;
mod market;
mod market_hours;
mod market_tick;
mod mean_reversion;
mod momentum;
mod ohlc;
mod order_failed;
mod order_filled;
mod order_id;
mod order_placed;
mod order_status;
mod paper_trading;
mod pnl_snapshot;
mod position;
mod price;
mod price_window;
mod quantity;
mod rejected_signal;
mod risk_checks;
mod risk_limits;
mod risk_rule;
mod rsi;
mod session;
mod side;
mod signal_type;
mod strategies;
mod strategy_id;
mod system_error;
mod text;
mod topics;
mod trading_signal;
mod validated_signal;

pub use account::Account;
pub use account_key::{AccountKey, AccountKeyError};
pub use account_risk::{AccountRisk, Verdict};
pub use calendar::{Calendar, CalendarError, CalendarProblem, SpecialDay};
pub use confidence::{Confidence, ConfidenceError};
pub use depth::{Depth, DepthLevel};
pub use execution_mode::ExecutionMode;
pub use instrument_token::InstrumentToken;
pub use market::{Market, SessionHours};
pub use market_hours::MarketHours;
pub use market_tick::MarketTick;
pub use mean_reversion::MeanReversion;
pub use momentum::Momentum;
pub use ohlc::Ohlc;
pub use order_failed::OrderFailed;
pub use order_filled::OrderFilled;
pub use order_id::OrderId;
pub use order_placed::OrderPlaced;
pub use order_status::OrderStatus;
pub use paper_trading::{Fill, PaperTrading, PaperTradingError};
pub use pnl_snapshot::PnlSnapshot;
pub use position::Position;
pub use price::{Price, PriceError};
pub use price_window::PriceWindow;
pub use quantity::Quantity;
pub use rejected_signal::RejectedSignal;
pub use risk_checks::RiskChecks;
pub use risk_limits::RiskLimits;
pub use risk_rule::RiskRule;
pub use rsi::Rsi;
pub use session::Session;
pub use side::Side;
pub use signal_type::SignalType;
pub use strategies::{Strategies, StrategyKind, Wishes};
pub use strategy_id::StrategyId;
pub use system_error::SystemError;
pub use text::{EmptyText, Text};
pub use topics::{
    MARKET_TICKS, NamespaceKind, ORDERS_FAILED, ORDERS_FILLED, ORDERS_SUBMITTED, PNL_SNAPSHOTS, SIGNALS_RAW,
    SIGNALS_REJECTED, SIGNALS_VALIDATED, TopicKey, TradingTopic, topics,
};
pub use trading_signal::TradingSignal;
pub use validated_signal::ValidatedSignal;

#[cfg(test)]
mod tests;
