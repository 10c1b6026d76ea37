//! The parts of the trading pipeline that its program is put together from.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod arguments;
pub mod feed;
pub mod pipeline;
pub mod run;
