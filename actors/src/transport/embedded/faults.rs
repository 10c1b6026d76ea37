//! Where tests let the embedded transport fail.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Faults to come, shared with the test that asks for them.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// How many transactions will fail before their commit. Written by tests, taken by the writer.
    commits: Arc<AtomicUsize>,
}

impl Faults {
    /// Lets the next `transactions` that the writer tries fail just before their commit.
    pub fn fail_commits(&self, transactions: usize) {
        self.commits.store(transactions, Ordering::SeqCst);
    }

    pub(super) fn take_commit(&self) -> bool {
        self.commits.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}
