//! The guarantees of `docs/semantics.md`, attacked one by one: on the memory transport and the test's clock.
#![allow(clippy::unwrap_used, missing_docs)]

mod attempts;
mod drain;
mod faults;
mod order;
mod panics;
mod rebalances;
mod support;
