//! The halt of a processor: it has given up on so much that its tasks in this process take no more events.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

/// Shared by the tasks of one processor in one namespace. Once it is set it stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halt(Arc<OnceLock<String>>);

impl Halt {
    /// Why the processor takes no more events; `None` if it does.
    #[inline]
    pub(crate) fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Whether it takes no more events.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    /// Sets it; `true` if it was not set before.
    pub(crate) fn set(&self, reason: String) -> bool {
        self.0.set(reason).is_ok()
    }
}

/// Tells whoever waits for the end of a run of the first processor that has halted.
#[derive(Debug, Clone)]
pub(crate) struct Halted(watch::Sender<Option<String>>);

impl Default for Halted {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Halted {
    /// A processor has halted.
    pub(crate) fn tell(&self, reason: &str) {
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(reason.to_owned());
            }
            is_first
        });
    }

    /// Where it can be waited for.
    pub(crate) fn told(&self) -> watch::Receiver<Option<String>> {
        self.0.subscribe()
    }
}
