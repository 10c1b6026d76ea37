//! What the end-to-end tests share: the trading pipeline's program as a user starts it, in one process or several, servers
//! to trouble, what lies on a broker, and seeded randomness.

#[cfg(feature = "kafka")]
mod broker_log;
#[cfg(feature = "kafka")]
mod bytes_reader;
mod chance;
mod clients;
#[cfg(feature = "kafka")]
mod commit;
mod found;
#[cfg(feature = "kafka")]
mod outside;
mod processes;
mod program;
mod running;
mod servers;
#[cfg(feature = "kafka")]
mod state_record;

#[cfg(feature = "kafka")]
pub use broker_log::{BrokerLog, Written};
pub use chance::Chance;
pub use clients::{Console, Python};
#[cfg(feature = "kafka")]
pub use commit::{Commit, Tally};
pub use found::Found;
#[cfg(feature = "kafka")]
pub use outside::Outside;
pub use processes::Processes;
pub use program::{AlphaPanda, Life, Report, shipped_feed};
pub use running::{PATIENCE, Running, get};
pub use servers::{Servers, given};
#[cfg(feature = "kafka")]
pub use state_record::StateRecord;
