//! The parts of the trading pipeline that its program is put together from.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod arguments;
pub mod feed;
pub mod pipeline;
pub mod run;
