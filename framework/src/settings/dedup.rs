//! DEDUP: how events that come twice are told.

use std::time::Duration;

crate::choice! {
    /// What happens to events while the dedup store can't be reached.
    pub enum WhenStoreIsDown {
        /// Intake pauses until it can.
        Pause = "pause",
        /// Events are handled without it: a duplicate is handled again.
        Bypass = "bypass",
        /// The ids that this process handles meanwhile, kept in memory, stand in for it.
        Local = "local",
    }
}

crate::section! {
    /// How events that come twice are told.
    pub struct Dedup("DEDUP") {
        /// How long a claim holds for the one that made it; after a crash another try has to wait for its end.
        pub lease: Duration = "1m" in "1s"..="1h",
        /// What happens while the store can't be reached.
        pub when_store_is_down: WhenStoreIsDown = "pause",
        /// Ids that this process keeps in memory while the store can't be reached, to find duplicates with under `local`, and
        /// to tell the store once it is back under `local` and `bypass`; the oldest make room.
        pub local_capacity: usize = "100000" in "1"..="10000000",
    }
}
