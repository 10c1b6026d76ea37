//! Redis: the dedup store for processors that share their work over processes, and a mirror of settled state for others to
//! read ([`MirroringTransport`]). Needs the feature `redis`.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pandaflow::settings::Settings;
//! use pandaflow_actors::transport::redis::{RedisConfig, RedisDedupStore};
//!
//! let settings = Settings::load([("REDIS__URL", "redis://localhost:6379/0")], "")?;
//! let store = RedisDedupStore::open(&RedisConfig::from(&settings.redis))?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is kept for dedup
//! - An id of a group is a field in one of a few hashes: a claim with its owner and the end of its lease, or a mark with the time
//!   until which the id is done. A hash is let go of as a whole once nothing in it counts, after up to twice as long: a claim a
//!   day after its lease or later, a mark a minute after its time or later.
//! - A call is one script and one round trip for up to 4,096 ids, and the script sees all of them at one instant.
//! - Times are the callers'. Their clocks must differ by far less than a lease.
//! - Claims of an owner that was fenced count no longer. The fence is an epoch for each partition of the group.
//! - If an answer is lost after the claim was made, the owner's next claim of the same id finds it fresh; others
//!   wait for the end of the lease.
//!
//! # What Redis has to do
//! Keep what it was told over a restart (`appendonly yes`; with `appendfsync everysec` a power cut costs the last second, a
//! `kill -9` nothing, but where the disk is slow both may cost two seconds) and drop no key when memory is short
//! (`maxmemory-policy noeviction`, its default). It takes about 90 bytes an id.
//!
//! # When it is down
//! Calls fail at once, or after their time-out if it hangs; it is connected to anew at the next call. What then
//! becomes of the events is [`WhenDown`](crate::dedup::WhenDown).

mod config;
mod dedup;
mod keys;
mod link;
mod mirror;
mod script;

pub use config::RedisConfig;
pub use dedup::RedisDedupStore;
pub use mirror::{Fields, Mirrored, MirroringTransport, Show};
