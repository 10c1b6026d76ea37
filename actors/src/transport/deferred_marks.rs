//! Marks that outlast an outage of their dedup store: kept in memory, and handed over as soon as it is back.
//!
//! A settlement writes its marks before it commits. Where events go on without the dedup store
//! ([`WhenDown::Bypass`], [`WhenDown::Local`]), settlements must, too.

mod waiting;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    EventId, Group,
    ports::{Claim, DedupStore, Mark, Owner, Standing, StoreError, Verdict},
};
use tokio::sync::{Notify, watch};

use self::waiting::Waiting;
use super::side_thread::SideThread;
#[cfg(doc)]
use crate::dedup::WhenDown;

/// How long to wait before a store that did not take the marks is asked again, unless somebody needs it sooner.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Marks that are handed over at once.
const AT_ONCE: usize = 4096;

/// A dedup store whose marks never fail. Those that it doesn't take are kept and handed over once it does; until then it counts
/// as down for every other call, so that it answers none without knowing what was handled meanwhile. What is still kept when
/// the process ends is lost: duplicates of those events are handled again.
pub struct DeferredMarks(Arc<Inner>);

struct Inner {
    store: Arc<dyn DedupStore>,
    waiting: Mutex<Waiting>,
    /// How often it was tried to hand marks over.
    tried: watch::Sender<u64>,
    /// Somebody needs the store now.
    needed: Notify,
    thread: SideThread,
}

impl DeferredMarks {
    /// Over `store`, with at most as many marks kept; beyond, the oldest are lost.
    ///
    /// # Errors
    /// Its thread can't be started.
    pub fn over(store: Arc<dyn DedupStore>, capacity: usize) -> Result<Self, StoreError> {
        let thread = SideThread::start("marks").map_err(|error| StoreError {
            store: "dedup marks",
            message: format!("their thread can't be started: {error}"),
        })?;
        let waiting = Mutex::new(Waiting::new(capacity));
        Ok(Self(Arc::new(Inner {
            store,
            waiting,
            tried: watch::channel(0).0,
            needed: Notify::new(),
            thread,
        })))
    }

    /// Calls the store once it has all marks.
    fn when_told<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn DedupStore) -> BoxFuture<'static, Result<T, StoreError>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        if self.0.waiting().is_empty() {
            return call(&*self.0.store);
        }
        let inner = Arc::clone(&self.0);
        async move {
            inner.told().await?;
            call(&*inner.store).await
        }
        .boxed()
    }
}

impl DedupStore for DeferredMarks {
    fn claim(&self, claim: Claim) -> BoxFuture<'static, Result<Vec<Verdict>, StoreError>> {
        self.when_told(|store| store.claim(claim))
    }

    fn mark(&self, owner: Owner, marks: Vec<Mark>) -> BoxFuture<'static, Result<Standing, StoreError>> {
        let inner = Arc::clone(&self.0);
        if !inner.waiting().is_empty() {
            // Not asked: each settlement would wait for its time-out.
            inner.defer(&owner, &marks);
            return futures_util::future::ready(Ok(Standing::InForce)).boxed();
        }
        let marked = inner.store.mark(owner.clone(), marks.clone());
        async move {
            Ok(marked.await.unwrap_or_else(|error| {
                log::warn!("{error}; marks are kept until it is back");
                inner.defer(&owner, &marks);
                Standing::InForce
            }))
        }
        .boxed()
    }

    fn done(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.when_told(|store| store.done(owner, ids))
    }

    fn release(&self, owner: Owner, ids: Vec<EventId>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.when_told(|store| store.release(owner, ids))
    }

    fn fence(&self, group: Group, owner: Owner) -> BoxFuture<'static, Result<Standing, StoreError>> {
        self.when_told(|store| store.fence(group, owner))
    }

    fn is_needed(&self) -> bool {
        false
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps marks; the first ones start what hands them over.
    fn defer(self: &Arc<Self>, owner: &Owner, marks: &[Mark]) {
        if self.waiting().keep(owner, marks) {
            let handing_over = hand_over(Arc::downgrade(self));
            drop(self.thread.run(handing_over.map(Ok), |()| ()));
        }
    }

    /// Has the marks handed over now; an error if the store does not take them.
    async fn told(&self) -> Result<(), StoreError> {
        let mut tried = self.tried.subscribe();
        // Read first: whatever ends after the look at what waits is told.
        let before = *tried.borrow_and_update();
        if self.waiting().is_empty() {
            return Ok(());
        }
        self.needed.notify_one();
        // An error would mean that this store is gone, which holds itself.
        let _ = tried.wait_for(|times| *times > before).await;
        self.waiting().trouble()
    }

    /// Hands over what waits, as much as the store takes. Whether all of it was taken.
    async fn try_to_hand_over(&self) -> bool {
        loop {
            let (last, batch) = self.waiting().first(AT_ONCE);
            for (owner, marks) in batch {
                let (ids, who) = (marks.len(), owner.clone());
                match self.store.mark(owner, marks).await {
                    Ok(Standing::InForce) => {}
                    // Whether its settlements became real is not known here. Without their marks duplicates of those events are
                    // handled again; with them, events might not be handled at all.
                    Ok(Standing::Fenced { .. }) => log::warn!(
                        "{ids} ids that {} handled in its partition {} while the dedup store was down are not marked: another has \
                         the partition by now",
                        who.group,
                        who.partition
                    ),
                    Err(error) => {
                        self.waiting().failed(error);
                        return false;
                    }
                }
            }
            if self.waiting().taken(last) {
                return true;
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let kept = self.waiting().len();
        if kept > 0 {
            log::warn!("{kept} ids were handled while the dedup store was down, and it never heard of them");
        }
    }
}

/// Tries until nothing waits, or nobody has the store any more.
async fn hand_over(of: Weak<Inner>) {
    while let Some(inner) = of.upgrade() {
        let over = inner.try_to_hand_over().await;
        inner.tried.send_modify(|times| *times += 1);
        if over {
            log::info!("the dedup store is back, and has the marks that were kept");
            return;
        }
        // An error is the time's end.
        let _ = tokio::time::timeout(ASK_AGAIN, inner.needed.notified()).await;
    }
}

#[cfg(test)]
mod tests;
