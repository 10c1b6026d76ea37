//! What all ports of a memory transport share.

use std::sync::Arc;

use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};
use pandaflow::{Clock, ports::StoreError};

use super::{
    dead_letters::Letters,
    group::Groups,
    lock::{Lock, Shared},
    subscription::Subscriptions,
    topics::Topics,
};

/// Locks are taken in the order of these fields, a reader's before its logs', and none is held while an assignee is
/// called.
pub(super) struct Core {
    pub(super) clock: Arc<dyn Clock>,
    /// Shared by whoever changes something, held alone by whoever wants to see all as of one instant.
    pub(super) instant: Shared<()>,
    pub(super) subscriptions: Subscriptions,
    pub(super) groups: Groups,
    pub(super) topics: Topics,
    pub(super) dead_letters: Lock<Letters>,
    #[cfg(feature = "testkit")]
    pub(super) faults: super::faults::Planned,
}

/// A store that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Dedup,
    States,
    DeadLetters,
    Lag,
}

impl Core {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            instant: Shared::default(),
            subscriptions: Subscriptions::default(),
            groups: Groups::default(),
            topics: Topics::default(),
            dead_letters: Lock::default(),
            #[cfg(feature = "testkit")]
            faults: super::faults::Planned::default(),
        })
    }

    /// Does what a store was asked, at once.
    pub(super) fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        port: Port,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        #[cfg(feature = "testkit")]
        {
            use super::faults::Entry;
            match self.faults.store(port).enter() {
                Entry::Free => {}
                Entry::Fails(error) => return ready(Err(error)),
                Entry::Hangs(released) => {
                    let core = Arc::clone(self);
                    return async move {
                        released.wait().await;
                        Ok(work(&core))
                    }
                    .boxed();
                }
            }
        }
        let _ = port;
        ready(Ok(work(self)))
    }
}

pub(super) fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    future::ready(value).boxed()
}
