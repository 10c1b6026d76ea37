//! Permits: as many attempts of a processor run at once as its concurrency says, in all its tasks together.

use std::{cell::Cell, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits of a processor, as one of its tasks has them.
pub(crate) struct Permits {
    shared: Arc<Semaphore>,
    /// The number of the task's turn.
    turn: Cell<u64>,
    /// What an attempt of this turn has left to the next one: threads that handle a million events a second
    /// don't pass permits through one shared place for each.
    left: Cell<Option<OwnedSemaphorePermit>>,
}

/// Lets one attempt run while it is held.
pub(crate) struct Permit {
    held: OwnedSemaphorePermit,
    turn: u64,
}

impl Permits {
    pub(crate) fn new(shared: Arc<Semaphore>) -> Self {
        Self { shared, turn: Cell::new(0), left: Cell::new(None) }
    }

    /// A permit, if one is free.
    pub(crate) fn at_once(&self) -> Option<Permit> {
        let held = self.left.take().or_else(|| self.shared.clone().try_acquire_owned().ok())?;
        Some(Permit { held, turn: self.turn.get() })
    }

    /// A permit, once one is free; those who wait get them in order. `None` when the processor stops.
    pub(crate) async fn wait(&self) -> Option<Permit> {
        let held = self.shared.clone().acquire_owned().await.ok()?;
        Some(Permit { held, turn: self.turn.get() })
    }

    /// An attempt has ended. One that began in this turn leaves its permit to the next; one that waited longer
    /// gives it back at once, to whoever waits for it.
    pub(crate) fn end(&self, permit: Permit) {
        if permit.turn == self.turn.get() {
            self.left.set(Some(permit.held));
        }
    }

    /// The task lets others have their turn.
    pub(crate) fn end_turn(&self) {
        self.turn.set(self.turn.get() + 1);
        self.left.take();
    }
}
