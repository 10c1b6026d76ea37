//! What the ports of one embedded transport share.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread::JoinHandle,
};

use pandaflow::ports::SubscriptionRequest;
use tokio::sync::oneshot;

use super::{
    bell::{Bell, Order},
    catalog::Catalog,
    lag::Reading,
    listeners::Listeners,
    queue::{Job, Queue},
    reader::Reader,
    threads::{Threads, join_from_outside},
};

/// What the ports share. When the last port is dropped, what was queued is still written, and the file is let go.
pub(super) struct Inner {
    pub(super) file: PathBuf,
    pub(super) queue: Arc<Queue>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) listeners: Arc<Listeners>,
    pub(super) threads: Arc<Threads>,
    /// Reads that events wait for: state and dedup marks.
    pub(super) lookups: Arc<Reader>,
    /// Reads that people wait for, and tables.
    pub(super) reports: Arc<Reader>,
    /// The subscription of each group: a new one takes over from the one before.
    pub(super) subscriptions: Mutex<Vec<(SubscriptionRequest, Weak<Bell>)>>,
    pub(super) writer: Mutex<Option<JoinHandle<()>>>,
}

impl Inner {
    /// Puts a subscription in the place of an earlier one of its group, which loses its partitions.
    pub(super) fn take_over(&self, request: SubscriptionRequest, bell: &Arc<Bell>) {
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions.retain(|(_, bell)| bell.strong_count() > 0);
        for (_, earlier) in subscriptions.extract_if(.., |(known, _)| known.group == request.group) {
            if let Some(earlier) = earlier.upgrade() {
                earlier.order(Order::Lose);
            }
        }
        subscriptions.push((request, Arc::downgrade(bell)));
    }

    /// What is subscribed to now.
    pub(super) fn reading(&self) -> Vec<Reading> {
        let subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        let live = subscriptions.iter().filter(|(_, bell)| bell.strong_count() > 0);
        live.map(|(request, _)| (request.group.clone(), request.topics.clone())).collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let (reply, _) = oneshot::channel();
        self.queue.push_last(Job::Close(reply));
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            join_from_outside(writer);
        }
    }
}
