//! What the end-to-end tests share: the trading pipeline's program as a user starts it, and seeded randomness.

mod chance;
mod program;
mod servers;

pub use chance::Chance;
pub use program::{AlphaPanda, Life, Report, shipped_feed};
pub use servers::Servers;
