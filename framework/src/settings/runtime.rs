//! RUNTIME: how the actors run and how much they may hold.

use std::time::Duration;

use super::{byte_size::ByteSize, section::Checks, value::Value};

/// How many arbiters (threads that run actors) there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arbiters {
    /// One for each core. Written `cores`.
    PerCore,
    /// As many as this, from 1 to 256.
    Count(usize),
}

impl Arbiters {
    /// How many that is on a machine with this many cores; at least one.
    #[must_use]
    pub fn count(self, cores: usize) -> usize {
        match self {
            Self::PerCore => cores.clamp(1, 256),
            Self::Count(count) => count,
        }
    }
}

impl Value for Arbiters {
    fn expected() -> String {
        "cores, or a whole number (from 1 to 256)".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim() == "cores" {
            return Ok(Self::PerCore);
        }
        match usize::parse(text)? {
            count @ 1..=256 => Ok(Self::Count(count)),
            _ => Err("out of range".into()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::PerCore => "cores".into(),
            Self::Count(count) => count.to_string(),
        }
    }
}

crate::section! {
    /// How the actors run and how much they may hold.
    pub struct Runtime("RUNTIME", check = delays_fit) {
        /// Threads that run actors; `cores` is one for each core.
        pub arbiters: Arbiters = "cores",
        /// How long a shutdown may drain what is under way before the rest is given up, to be done again.
        pub shutdown_deadline: Duration = "30s" in "100ms"..="1h",
        /// How long an arbiter may stand still before the processor that blocks it is reported.
        pub blocked_arbiter_after: Duration = "1s" in "10ms"..="10m",
        /// Most events that one task (a processor on one partition) holds; at the limit its source pauses.
        pub max_in_flight_events: usize = "8192" in "1"..="10000000",
        /// Most bytes of keys, payloads and headers that one task holds; at the limit its source pauses.
        pub max_in_flight_bytes: ByteSize = "8MB" in "64KB"..="64GB",
        /// Most keys that one task has parked; at the limit its source pauses.
        pub max_parked_keys: usize = "10000" in "1"..="10000000",
        /// Most events that one task has parked; at the limit its source pauses.
        pub max_parked_events: usize = "50000" in "1"..="100000000",
        /// Most bytes of parked events, and 256 for each, of one task; at the limit its source pauses.
        pub max_parked_bytes: ByteSize = "32MB" in "64KB"..="64GB",
        /// Most dead letters that a processor makes on one partition without a success between them, where it declares nothing else; after
        /// that it takes no more events.
        pub dead_letters_in_a_row: u64 = "100" in "1"..="1000000000000",
        /// Most dead letters of the last 200 events of a processor on one partition, in percent, where it declares nothing else; after
        /// that it takes no more events. 100 is no limit.
        pub dead_letters_percent: u64 = "50" in "1"..="100",
        /// Keys whose state one task keeps in memory over its store.
        pub state_cache_keys: usize = "10000" in "1"..="100000000",
        /// Most events that one settlement takes together.
        pub settle_max_events: usize = "1000" in "1"..="100000",
        /// How often a lane may be rebuilt within the window before the failure escalates.
        pub restarts_max: u32 = "10" in "0"..="1000",
        /// The window of the restart budget.
        pub restarts_window: Duration = "1m" in "1s"..="1d",
        /// The wait before the first restart; it doubles with each one after.
        pub restart_base_delay: Duration = "100ms" in "1ms"..="1h",
        /// The longest wait before a restart.
        pub restart_max_delay: Duration = "10s" in "1ms"..="1h",
    }
}

fn delays_fit(runtime: &Runtime, checks: &mut Checks) {
    if runtime.restart_base_delay > runtime.restart_max_delay {
        let max = runtime.restart_max_delay.show();
        checks.refuse(
            "restart_base_delay",
            format!("must not be longer than RUNTIME__RESTART_MAX_DELAY, which is {max}"),
        );
    }
    if runtime.settle_max_events > runtime.max_in_flight_events {
        let max = runtime.max_in_flight_events;
        checks.refuse(
            "settle_max_events",
            format!("must not be more than RUNTIME__MAX_IN_FLIGHT_EVENTS, which is {max}"),
        );
    }
}
