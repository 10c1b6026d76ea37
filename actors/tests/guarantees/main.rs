//! The guarantees of `docs/semantics.md`, attacked one by one: on the memory transport and the test's clock.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, unreachable_pub, reason = "nobody outside of these tests sees what they share")]

mod arbiters;
mod attempts;
mod dead_letter_budget;
mod docs;
mod drain;
mod faults;
mod ids;
mod lines;
mod mailboxes;
mod malformed;
mod order;
mod panics;
mod parking;
mod programs;
mod rebalances;
mod state;
mod support;
