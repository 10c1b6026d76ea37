//! The runtime under the simulator: thousands of seeds of crashes, rebalances, failing stores and failing handlers; and what
//! the simulator itself must do.

mod broken;
mod seeds;
mod shop;
