//! What the end-to-end tests share: the trading pipeline's program as a user starts it, and seeded randomness.

mod chance;
mod clients;
mod found;
#[cfg(feature = "kafka")]
mod outside;
mod program;
mod running;
mod servers;

pub use chance::Chance;
pub use clients::{Console, Python};
pub use found::Found;
#[cfg(feature = "kafka")]
pub use outside::Outside;
pub use program::{AlphaPanda, Life, Report, shipped_feed};
pub use running::{PATIENCE, Running, get};
pub use servers::{Servers, given};
