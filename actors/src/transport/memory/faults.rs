//! Faults on order, for tests: settlements that fail or wait, stores that fail or hang.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::ports::{SettleErrorKind, Settlement, StoreError, Unsettled};
use tokio::sync::{Notify, oneshot};

use super::{
    STORE,
    core::{Core, Port},
    lock::Lock,
    settlement::answer,
};

/// Makes a [`MemoryTransport`](super::MemoryTransport) fail on order.
#[derive(Clone)]
pub struct Faults(pub(super) Arc<Core>);

impl Faults {
    /// The next `count` settlements that would have become real fail so.
    pub fn fail_settlements(&self, count: usize, kind: SettleErrorKind) {
        self.0.faults.settlements.lock().fail = Some((count, kind));
    }

    /// Settlements wait from now on, in order, until [`Faults::release_settlements`].
    pub fn hold_settlements(&self) {
        self.0.faults.settlements.lock().held.get_or_insert_default();
        self.0.faults.holding.store(true, Ordering::Release);
    }

    /// How many settlements wait.
    #[must_use]
    pub fn held_settlements(&self) -> usize {
        self.0.faults.settlements.lock().held.as_ref().map_or(0, VecDeque::len)
    }

    /// Does what waits, in order, and holds nothing back any more.
    pub fn release_settlements(&self) {
        while let Some(next) = self.0.faults.next_held() {
            // Whoever asked may have gone; the settlement was called for all the same.
            drop(next.answer.send(self.0.settle(next.settlement)));
        }
    }

    /// The dedup store's faults.
    #[must_use]
    pub fn dedup(&self) -> &StoreFaults {
        &self.0.faults.dedup
    }

    /// The state store's faults.
    #[must_use]
    pub fn states(&self) -> &StoreFaults {
        &self.0.faults.states
    }

    /// The faults of asking for lag.
    #[must_use]
    pub fn lag(&self) -> &StoreFaults {
        &self.0.faults.lag
    }

    /// The dead-letter store's faults.
    #[must_use]
    pub fn dead_letters(&self) -> &StoreFaults {
        &self.0.faults.dead_letters
    }
}

/// The faults of one store.
#[derive(Default)]
pub struct StoreFaults {
    fail: Lock<usize>,
    gate: Arc<Gate>,
}

/// What calls wait at. Those that wait go on in the order in which they came, so that a test runs again the same; of a watch
/// channel they would go on in a random one.
#[derive(Default)]
struct Gate {
    shut: AtomicBool,
    opened: Notify,
}

impl StoreFaults {
    /// The next `count` calls fail; `usize::MAX` for all, 0 for none.
    pub fn fail(&self, count: usize) {
        *self.fail.lock() = count;
    }

    /// Calls wait from now on until [`StoreFaults::release`].
    pub fn hang(&self) {
        self.gate.shut.store(true, Ordering::Release);
    }

    /// Lets go of what waits; what was called before is done when it is next polled.
    pub fn release(&self) {
        self.gate.shut.store(false, Ordering::Release);
        self.gate.opened.notify_waiters();
    }

    pub(super) fn enter(&self) -> Entry {
        let mut fail = self.fail.lock();
        if *fail > 0 {
            *fail = if *fail == usize::MAX { usize::MAX } else { *fail - 1 };
            return Entry::Fails(StoreError { store: STORE, message: "a fault was asked for".into() });
        }
        if self.gate.shut.load(Ordering::Acquire) {
            Entry::Hangs(Hanging(Arc::clone(&self.gate)))
        } else {
            Entry::Free
        }
    }
}

/// What becomes of a call to a store.
pub(super) enum Entry {
    Free,
    Fails(StoreError),
    Hangs(Hanging),
}

/// A call that hangs.
pub(super) struct Hanging(Arc<Gate>);

impl Hanging {
    pub(super) async fn wait(self) {
        loop {
            let opened = self.0.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if !self.0.shut.load(Ordering::Acquire) {
                return;
            }
            opened.await;
        }
    }
}

/// The faults that are planned.
#[derive(Default)]
pub(super) struct Planned {
    /// Whether there may be anything in `settlements.held`, told without its lock.
    holding: AtomicBool,
    settlements: Lock<SettlementFaults>,
    dedup: StoreFaults,
    states: StoreFaults,
    dead_letters: StoreFaults,
    lag: StoreFaults,
}

#[derive(Default)]
struct SettlementFaults {
    fail: Option<(usize, SettleErrorKind)>,
    /// What waits; `None` while nothing is held back.
    held: Option<VecDeque<Held>>,
}

struct Held {
    settlement: Settlement,
    answer: oneshot::Sender<Result<(), Box<Unsettled>>>,
}

impl Planned {
    pub(super) fn store(&self, port: Port) -> &StoreFaults {
        match port {
            Port::Dedup => &self.dedup,
            Port::States => &self.states,
            Port::DeadLetters => &self.dead_letters,
            Port::Lag => &self.lag,
        }
    }

    /// How the next settlement fails; `None` if it doesn't.
    pub(super) fn next_settlement(&self) -> Option<SettleErrorKind> {
        let mut settlements = self.settlements.lock();
        let (left, kind) = settlements.fail?;
        settlements.fail = left.checked_sub(1).filter(|left| *left > 0).map(|left| (left, kind));
        (left > 0).then_some(kind)
    }

    /// The next settlement to be released. Others are held back behind it until there is none left.
    fn next_held(&self) -> Option<Held> {
        let mut settlements = self.settlements.lock();
        let next = settlements.held.as_mut()?.pop_front();
        if next.is_none() {
            settlements.held = None;
            self.holding.store(false, Ordering::Release);
        }
        next
    }
}

impl Core {
    /// Takes a settlement that has to wait; gives it back if it hasn't.
    pub(super) fn hold_back(
        self: &Arc<Self>,
        settlement: Settlement,
    ) -> Result<Settlement, BoxFuture<'static, Result<(), Box<Unsettled>>>> {
        if !self.faults.holding.load(Ordering::Acquire) {
            return Ok(settlement);
        }
        let mut settlements = self.faults.settlements.lock();
        let Some(held) = &mut settlements.held else { return Ok(settlement) };
        let (sender, receiver) = oneshot::channel();
        held.push_back(Held { settlement, answer: sender });
        let core = Arc::clone(self);
        Err(async move {
            match receiver.await {
                Ok(result) => answer(&core, result).await,
                // The transport went away with it, as in a crash: nobody will ever know.
                Err(_) => std::future::pending().await,
            }
        }
        .boxed())
    }
}
