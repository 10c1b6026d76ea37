//! How an embedded transport is opened.

use std::{fmt, sync::Arc, time::Duration};

use pandaflow::{Clock, SystemClock};

/// Settings of the embedded transport. The defaults suit one process on one disk.
#[derive(Clone)]
#[non_exhaustive]
pub struct EmbeddedConfig {
    /// One transaction takes at most as many rows of queued settlements (default 4,096); a settlement that is
    /// larger alone is written alone.
    pub transaction_rows: usize,
    /// One transaction takes at most as many bytes of queued settlements (default 16 MiB).
    pub transaction_bytes: usize,
    /// Settlements that wait for the writer hold at most as many rows (default 1,000,000). Beyond, they come
    /// back at once, to be tried again.
    pub queue_rows: usize,
    /// Settlements that wait for the writer hold at most as many bytes (default 256 MiB).
    pub queue_bytes: usize,
    /// Up to this size (default 256 MiB) every page and every row of the file is checked at open, which takes
    /// about a second for 120 MB; beyond, the header, the schema, the small tables and the ends of the log are.
    pub full_check_bytes: u64,
    /// The file grows to as many bytes at most (default: as far as the disk reaches). Beyond, settlements come
    /// back to be tried again.
    pub file_bytes: Option<u64>,
    /// How long a dead letter is kept at least (default 7 days).
    pub dead_letter_retention: Duration,
    /// How often what is past its retention is looked for (default every minute).
    pub tidy_every: Duration,
    /// What time it is, for retention and for when dead letters were stored (default: the system's clock).
    pub clock: Arc<dyn Clock>,
    /// Where tests let it fail.
    #[cfg(feature = "testkit")]
    pub faults: super::Faults,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            transaction_rows: 4096,
            transaction_bytes: 16 << 20,
            queue_rows: 1_000_000,
            queue_bytes: 256 << 20,
            full_check_bytes: 256 << 20,
            file_bytes: None,
            dead_letter_retention: Duration::from_secs(7 * 24 * 3600),
            tidy_every: Duration::from_secs(60),
            clock: Arc::new(SystemClock),
            #[cfg(feature = "testkit")]
            faults: super::Faults::default(),
        }
    }
}

impl fmt::Debug for EmbeddedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedConfig")
            .field("transaction_rows", &self.transaction_rows)
            .field("transaction_bytes", &self.transaction_bytes)
            .field("queue_rows", &self.queue_rows)
            .field("queue_bytes", &self.queue_bytes)
            .field("full_check_bytes", &self.full_check_bytes)
            .field("file_bytes", &self.file_bytes)
            .field("dead_letter_retention", &self.dead_letter_retention)
            .field("tidy_every", &self.tidy_every)
            .finish_non_exhaustive()
    }
}
