//! What the embedded store promises beyond the contract: it survives kills, refuses damaged files and leaves them as they
//! are, keeps a second process out, settles in groups, and prunes.
#![cfg(feature = "embedded")]
#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

#[path = "embedded_store/damage.rs"]
mod damage;
#[path = "embedded_store/frozen.rs"]
mod frozen;
#[path = "embedded_store/grouping.rs"]
mod grouping;
#[path = "embedded_store/kills.rs"]
mod kills;
#[path = "embedded_store/report.rs"]
mod report;
#[path = "embedded_store/retention.rs"]
mod retention;
#[path = "embedded_store/shop.rs"]
mod shop;
#[path = "embedded_store/subscriptions.rs"]
mod subscriptions;
