//! HEALTH: when the program counts as ready and as alive.

use std::time::Duration;

use super::{section::Checks, value::Value};

crate::section! {
    /// When the program counts as ready and as alive.
    pub struct Health("HEALTH", check = timeout_fits) {
        /// How often the checks run, and lag is asked for.
        pub check_interval: Duration = "5s" in "100ms"..="1h",
        /// How long one check may take before it counts as failed.
        pub timeout: Duration = "5s" in "10ms"..="10m",
        /// A partition that has lag and made no progress for this long is not alive.
        pub stall_after: Duration = "30s" in "100ms"..="1d",
        /// How long after the start a part that has not come up yet is no failure.
        pub startup_grace: Duration = "30s" in "0s"..="1h",
    }
}

fn timeout_fits(health: &Health, checks: &mut Checks) {
    if health.timeout > health.check_interval {
        let interval = health.check_interval.show();
        checks.refuse(
            "timeout",
            format!("must not be longer than HEALTH__CHECK_INTERVAL, which is {interval}"),
        );
    }
}
