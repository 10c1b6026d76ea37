//! Publishing the feed: a thread reads and encodes ticks, a task puts them on `market.ticks`, each exactly once.

mod already;
mod reader;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use pandaflow::{
    Outgoing, TopicName,
    ports::{SettleErrorKind, Unsettled},
};
use pandaflow_actors::Publisher;
use tokio::{sync::mpsc, task::JoinHandle};

use self::{already::latest_ids, reader::Reader};
use super::setup::Opened;
use crate::feed::FileSummary;

/// Ticks in one settlement.
const BATCH: usize = 1_000;
/// Batches that wait to be published, at most: the reader waits then.
const WAITING: usize = 4;
/// The first and the longest wait before ticks that did not become real are published again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Ticks that are published together, and by how many lines each file comes further with them.
type Ticks = (Vec<Outgoing>, Vec<u64>);

/// The feed on its way onto the log.
pub(super) struct FeedPublisher {
    shared: Arc<Shared>,
    /// Ticks that were there before.
    before: u64,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Written by the publishing task and the reading thread, read by the run.
struct Shared {
    published: AtomicU64,
    done: AtomicBool,
    stop: AtomicBool,
    error: Mutex<Option<String>>,
}

impl Shared {
    fn fail(&self, error: String) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Under which name the progress in a file is kept: by its content, not by where it lies.
pub(super) fn source_name(file: &FileSummary) -> TopicName {
    TopicName::new(&format!("feed.{:016x}", file.digest))
}

impl FeedPublisher {
    /// Goes on with the first line of each file that has not been published.
    pub(super) async fn start(opened: &Opened, files: &[FileSummary]) -> Result<Self, String> {
        let transport = &*opened.transport;
        let sources: Vec<TopicName> = files.iter().map(source_name).collect();
        let publisher = Publisher::open(transport, opened.setup.feed_group(), sources.clone()).await;
        let publisher = publisher.map_err(|error| error.to_string())?;
        let latest = latest_ids(opened, files).await?;
        let published: Vec<u64> = sources.iter().map(|source| publisher.published(source)).collect();
        let before = published.iter().sum();
        let shared = Arc::new(Shared {
            published: AtomicU64::new(before),
            done: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            error: Mutex::new(None),
        });
        let (send, receive) = mpsc::channel(WAITING);
        let reader = Reader {
            paths: files.iter().map(|file| file.path.clone()).collect(),
            published,
            sources: sources.clone(),
            latest,
            shared: shared.clone(),
        };
        let spawned = thread::Builder::new().name("alpha-panda-feed".into()).spawn(move || reader.run(&send));
        if let Err(error) = spawned {
            shared.fail(format!("the feed's thread can't be started: {error}"));
        }
        let task = tokio::task::spawn_local(publish(publisher, sources, receive, shared.clone()));
        Ok(Self { shared, before, task: Mutex::new(Some(task)) })
    }

    /// Ticks that are on the log, in this life or before.
    pub(super) fn published(&self) -> u64 {
        self.shared.published.load(Ordering::Relaxed)
    }

    /// Ticks that were put there in this life.
    pub(super) fn published_now(&self) -> u64 {
        self.published() - self.before
    }

    /// Whether all of them are.
    pub(super) fn is_done(&self) -> bool {
        self.shared.done.load(Ordering::Acquire)
    }

    /// What went wrong.
    pub(super) fn error(&self) -> Option<String> {
        self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops reading, and waits for what is under way.
    pub(super) async fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && task.await.is_err()
        {
            self.shared.fail("the publishing of the feed panicked".into());
        }
    }
}

/// Publishes batches in their order, the next one being written while the one before becomes real.
async fn publish(
    mut publisher: Publisher,
    sources: Vec<TopicName>,
    mut batches: mpsc::Receiver<Ticks>,
    shared: Arc<Shared>,
) {
    let mut under_way = None;
    loop {
        let batch = batches.recv().await;
        let ended = batch.is_none();
        let next = batch.map(|(ticks, counts)| {
            let count = counts.iter().sum();
            (count, publisher.publish(ticks, sources.iter().cloned().zip(counts)))
        });
        if let Some((count, settled)) = std::mem::replace(&mut under_way, next) {
            match insist(&publisher, settled.await, &shared).await {
                Ok(()) => shared.published.fetch_add(count, Ordering::Relaxed),
                Err(unsettled) => return shared.fail(format!("the feed: {}", unsettled.error)),
            };
        }
        if ended {
            return shared.done.store(!shared.stop.load(Ordering::Relaxed), Ordering::Release);
        }
    }
}

/// Publishes again what a store could not take, such as on a full disk, until it does or the run ends.
async fn insist(
    publisher: &Publisher,
    mut result: Result<(), Box<Unsettled>>,
    shared: &Shared,
) -> Result<(), Box<Unsettled>> {
    let mut wait = BACKOFF.0;
    loop {
        match result {
            Err(unsettled)
                if unsettled.error.kind == SettleErrorKind::Retry && !shared.stop.load(Ordering::Relaxed) =>
            {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACKOFF.1);
                result = publisher.publish_again(*unsettled).await;
            }
            result => return result,
        }
    }
}
