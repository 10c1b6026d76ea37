//! Publishing the feed: a thread reads and encodes ticks, a task puts them on `market.ticks`, each exactly once.

mod already;
mod pace;
mod reader;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use pandaflow::{Outgoing, TopicName};
use pandaflow_actors::{NotPublished, Publisher};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

pub(super) use self::pace::Pace;
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

/// Under which name the progress in a file is kept: by whose prices of which day it has, and by its content, not by where
/// it lies.
pub(super) fn source_name(file: &FileSummary) -> TopicName {
    TopicName::new(&format!("{}{:016x}", source_prefix(file), file.digest))
}

/// What the names of all files have in common that say to have the same prices.
fn source_prefix(file: &FileSummary) -> String {
    format!("feed.{}.", file.csv())
}

/// Refuses a file whose prices were published before with another content: its ticks would be other events, and those of
/// before stay on the log.
async fn refuse_changed(opened: &Opened, files: &[FileSummary]) -> Result<(), String> {
    let known = opened.transport.lag(vec![opened.setup.feed_group()]).await;
    let known = known.map_err(|error| error.to_string())?;
    for file in files {
        let (name, prefix) = (source_name(file), source_prefix(file));
        let changed = known.iter().find(|source| {
            source.topic.as_str().starts_with(&prefix) && source.topic != name && source.next.0 > 0
        });
        if let Some(changed) = changed {
            return Err(format!(
                "{}: {} lines of {} were published before, with another content: the file was changed; use the former one, or begin anew (--fresh, or another --data)",
                file.path.display(),
                changed.next,
                file.csv(),
            ));
        }
    }
    Ok(())
}

impl FeedPublisher {
    /// Goes on with the first line of each file that has not been published, at this pace.
    pub(super) async fn start(opened: &Opened, files: &[FileSummary], pace: Pace) -> Result<Self, String> {
        let transport = &*opened.transport;
        refuse_changed(opened, files).await?;
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
            files: files.to_vec(),
            published,
            sources: sources.clone(),
            latest,
            batch: pace.batch(),
            shared: shared.clone(),
        };
        let spawned = thread::Builder::new().name("alpha-panda-feed".into()).spawn(move || reader.run(&send));
        if let Err(error) = spawned {
            shared.fail(format!("the feed's thread can't be started: {error}"));
        }
        let task = tokio::task::spawn_local(publish(publisher, sources, receive, pace, shared.clone()));
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
    pace: Pace,
    shared: Arc<Shared>,
) {
    let before = shared.published.load(Ordering::Relaxed);
    let (began, mut handed_over) = (Instant::now(), 0);
    loop {
        let batch = batches.recv().await;
        let ended = batch.is_none();
        let published = match batch {
            Some((ticks, counts)) => {
                tokio::time::sleep_until(began + pace.due(handed_over)).await;
                handed_over += counts.iter().sum::<u64>();
                publisher.publish(ticks, sources.iter().cloned().zip(counts)).await
            }
            None => publisher.flush().await,
        };
        let published = insist(&mut publisher, published, &shared).await;
        shared.published.store(before + publisher.real(), Ordering::Relaxed);
        if let Err(error) = published {
            return shared.fail(format!("the feed: {error}"));
        }
        if ended {
            return shared.done.store(!shared.stop.load(Ordering::Relaxed), Ordering::Release);
        }
    }
}

/// Publishes again what a store could not take, such as on a full disk, until it does or the run ends.
async fn insist(
    publisher: &mut Publisher,
    mut published: Result<(), NotPublished>,
    shared: &Shared,
) -> Result<(), NotPublished> {
    let mut wait = BACKOFF.0;
    loop {
        match published {
            Err(error) if error.may_be_tried_again() && !shared.stop.load(Ordering::Relaxed) => {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACKOFF.1);
                published = publisher.flush().await;
            }
            published => return published,
        }
    }
}
