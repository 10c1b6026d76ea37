//! Whether the store is taken to be up: decides who answers, and when to look whether it is back.

use std::time::Duration;

/// Who answers a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// The store.
    Store,
    /// What stands in for the store.
    StandIn,
}

/// Follows one store. Times are durations since any fixed instant.
#[derive(Debug)]
pub(super) struct StoreWatch {
    probe_every: Duration,
    /// When to ask the store again; `None` while it is up.
    probe_at: Option<Duration>,
}

impl StoreWatch {
    pub(super) fn new(probe_every: Duration) -> Self {
        Self { probe_every, probe_at: None }
    }

    /// Who answers a call at `now`. While the store is down, one call per interval goes to it.
    pub(super) fn route(&mut self, now: Duration) -> Route {
        match self.probe_at {
            None => Route::Store,
            Some(at) if now >= at => {
                self.probe_at = Some(now + self.probe_every);
                Route::Store
            }
            Some(_) => Route::StandIn,
        }
    }

    /// The store answered. Whether it was down before.
    pub(super) fn answered(&mut self) -> bool {
        self.probe_at.take().is_some()
    }

    /// The store failed at `now`. Whether it was up before.
    pub(super) fn failed(&mut self, now: Duration) -> bool {
        self.probe_at.replace(now + self.probe_every).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_the_store_is_down_one_call_per_interval_goes_to_it() {
        let second = Duration::from_secs(1);
        let mut watch = StoreWatch::new(second);
        assert_eq!(watch.route(second), Route::Store);
        assert!(watch.failed(second), "it was up");
        assert!(!watch.failed(second), "it was down already");
        assert_eq!(watch.route(second), Route::StandIn);
        assert_eq!(watch.route(second * 2), Route::Store, "the probe");
        assert_eq!(watch.route(second * 2), Route::StandIn, "one probe only");
        assert!(watch.answered(), "it came back");
        assert!(!watch.answered());
        assert_eq!(watch.route(second * 2), Route::Store);
    }
}
