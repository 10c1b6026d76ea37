//! A member of a group: one consumer with one thread, which never waits for a handler.
//!
//! The thread polls for what the group decides, reads the partitions that somebody asks for records of, and sends commits.
//! Whoever wants something of it leaves a note and rings its bell.

mod context;
mod drain;
mod intake;
mod leaving;
mod life;
mod notes;
mod seat;
mod silence;
mod work;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    Partition,
    ports::{Assignee, StoreError, Subscription, SubscriptionRequest},
};
use tokio::sync::oneshot;

use self::{
    notes::{Note, Notes},
    work::Work,
};
use super::{
    core::Core,
    failure::{closed, store_error},
};

/// Joins a group.
pub(super) fn join(
    core: &Arc<Core>,
    request: SubscriptionRequest,
    assignee: Arc<dyn Assignee>,
) -> Result<Arc<KafkaSubscription>, StoreError> {
    let notes = Arc::new(Notes::default());
    let ended = Arc::new(Ended::default());
    let work = Work::new(Arc::clone(core), request, assignee, Arc::clone(&notes))?;
    let (over, teller) = (Over(Arc::clone(&ended)), Arc::clone(&work.assignee));
    std::thread::Builder::new()
        .name("kafka-source".into())
        .spawn(move || {
            let _over = over;
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work.run())).is_err() {
                teller.failed(store_error("the source's thread panicked"));
            }
        })
        .map_err(|error| store_error(format!("starting the source's thread: {error}")))?;
    Ok(Arc::new(KafkaSubscription { notes, ended }))
}

/// A subscription as its subscriber has it.
pub(super) struct KafkaSubscription {
    notes: Arc<Notes>,
    ended: Arc<Ended>,
}

impl Subscription for KafkaSubscription {
    fn restart(&self, partition: Partition) -> BoxFuture<'static, Result<(), StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.notes.leave(Note::Restart(partition, reply));
        async move { answer.await.unwrap_or_else(|_| Err(closed())) }.boxed()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        self.notes.leave(Note::Close);
        let ended = Arc::clone(&self.ended);
        async move { ended.wait().await }.boxed()
    }
}

impl Drop for KafkaSubscription {
    fn drop(&mut self) {
        self.notes.leave(Note::Close);
    }
}

/// Tells, when it is dropped, that the thread has ended, however it did.
struct Over(Arc<Ended>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.tell();
    }
}

/// Whether the thread has left the group.
#[derive(Default)]
struct Ended {
    over: AtomicBool,
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
}

impl Ended {
    fn tell(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.over.store(true, Ordering::Release);
        waiting.clear();
    }

    async fn wait(&self) {
        let ended = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.over.load(Ordering::Acquire) {
                return;
            }
            let (teller, ended) = oneshot::channel();
            waiting.push(teller);
            ended
        };
        // The teller is dropped when it is over.
        let _ = ended.await;
    }
}
