//! A dedup store whose marks wait until they are let through: so long, settlements hang between their effects and their
//! progress. Or they fail a few times.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    EventId, Group,
    ports::{Claim, DedupStore, Mark, Owner, Standing, StoreError, Verdict},
};
use tokio::sync::watch;

pub(crate) struct Gate {
    inner: Arc<dyn DedupStore>,
    open: watch::Sender<bool>,
    held: watch::Sender<usize>,
    failures: AtomicUsize,
}

impl Gate {
    /// Shut.
    pub(crate) fn around(inner: Arc<dyn DedupStore>) -> Self {
        Self {
            inner,
            open: watch::Sender::new(false),
            held: watch::Sender::new(0),
            failures: AtomicUsize::new(0),
        }
    }

    /// Open, but as many marks fail first.
    pub(crate) fn failing(inner: Arc<dyn DedupStore>, failures: usize) -> Self {
        let gate = Self { failures: AtomicUsize::new(failures), ..Self::around(inner) };
        gate.open();
        gate
    }

    /// Waits until as many have come to it.
    pub(crate) async fn holds(&self, count: usize) {
        let mut held = self.held.subscribe();
        let come =
            tokio::time::timeout(std::time::Duration::from_secs(30), held.wait_for(|held| *held >= count));
        drop(come.await.expect("they come within half a minute").unwrap());
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

impl DedupStore for Gate {
    fn claim(&self, claim: Claim) -> BoxFuture<'static, Result<Vec<Verdict>, StoreError>> {
        self.inner.claim(claim)
    }

    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<Standing, StoreError>> {
        let less = |left: usize| left.checked_sub(1);
        if self.failures.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok() {
            let error = StoreError { store: "gate", message: "it fails".into() };
            return std::future::ready(Err(error)).boxed();
        }
        let mut open = self.open.subscribe();
        let marked = self.inner.mark(owner, marks);
        self.held.send_modify(|held| *held += 1);
        async move {
            drop(open.wait_for(|open| *open).await.expect("the gate stays"));
            marked.await
        }
        .boxed()
    }

    fn done(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.inner.done(owner, ids)
    }

    fn release(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.inner.release(owner, ids)
    }

    fn fence(&self, group: Group, owner: Owner) -> BoxFuture<'static, Result<Standing, StoreError>> {
        self.inner.fence(group, owner)
    }
}
