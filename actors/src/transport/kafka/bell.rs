//! A bell: wakes a thread that waits for something to do.

use std::{sync::OnceLock, thread::Thread, time::Duration};

/// Rung by anybody, heard by the one thread that answers it. A ring before the wait counts.
#[derive(Debug, Default)]
pub(super) struct Bell(OnceLock<Thread>);

impl Bell {
    /// From now on this thread answers.
    pub(super) fn answer(&self) {
        let _ = self.0.set(std::thread::current());
    }

    pub(super) fn ring(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }

    /// Waits for a ring since the last wait.
    pub(super) fn wait(&self, limit: Duration) {
        std::thread::park_timeout(limit);
    }
}
