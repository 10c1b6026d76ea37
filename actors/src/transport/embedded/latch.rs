//! Order after a failure: once a settlement of an owner has failed, its later ones fail too. Their progress tells of
//! its events as well, so they must not become real before it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use pandaflow::ports::{SettleErrorKind, Settlement};

/// How many settlements had been called when its owner read a refusal; all of them, while it has not been read.
/// Written by the owner's future, read by the writer.
#[derive(Debug, Clone)]
pub(super) struct ReadAt(Arc<AtomicU64>);

impl ReadAt {
    fn unread() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// The owner knows now; what it calls from now on may pass.
    pub(super) fn read(&self, calls: u64) {
        self.0.store(calls, Ordering::Release);
    }
}

/// What holds up an owner's settlements.
#[derive(Debug, Default)]
pub(super) enum Latch {
    /// Nothing.
    #[default]
    Open,
    /// One failed and has to be tried again first.
    Failed(Box<Settlement>),
    /// One was refused; those that were called before its owner knew may build on it.
    Refused(ReadAt),
}

impl Latch {
    /// Closes after a failure; a second one changes nothing. Returns where to note that a refusal was read.
    pub(super) fn close(&mut self, settlement: &Settlement, kind: SettleErrorKind) -> Option<ReadAt> {
        match (&self, kind) {
            (_, SettleErrorKind::Refused) => {
                let read = ReadAt::unread();
                *self = Self::Refused(read.clone());
                Some(read)
            }
            (Self::Open, _) => {
                *self = Self::Failed(Box::new(settlement.clone()));
                None
            }
            _ => None,
        }
    }

    /// Whether it is the turn of `settlement`, the `call`-th one; then the latch is open.
    pub(super) fn lets_through(&mut self, settlement: &Settlement, call: u64) -> bool {
        let passes = match self {
            Self::Open => return true,
            Self::Failed(failed) => **failed == *settlement,
            Self::Refused(read) => call >= read.0.load(Ordering::Acquire),
        };
        if passes {
            *self = Self::Open;
        }
        passes
    }
}
