//! The thread that reads the files and encodes their ticks.

use std::sync::{Arc, atomic::Ordering};

use pandaflow::{EventId, Outgoing, Timestamp, TopicName};
use tokio::sync::mpsc;

use super::{
    Shared, Ticks,
    already::{Already, Latest},
};
use crate::feed::{Feed, FeedTick, FileSummary};

/// Who puts ticks on the log, in their envelopes.
const SOURCE: &str = "alpha-panda-feed";

/// Reads the files and encodes their ticks.
pub(super) struct Reader {
    pub(super) files: Vec<FileSummary>,
    pub(super) published: Vec<u64>,
    pub(super) sources: Vec<TopicName>,
    /// The latest tick of each instrument on the log, where that may be ahead of what is known to be published.
    pub(super) latest: Latest,
    /// Ticks that are published together, at most.
    pub(super) batch: usize,
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn run(self, send: &mpsc::Sender<Ticks>) {
        if let Err(error) = self.read(send) {
            self.shared.fail(error);
        }
    }

    fn read(&self, send: &mpsc::Sender<Ticks>) -> Result<(), String> {
        let mut feed = Feed::go_on(&self.files, &self.published).map_err(|error| error.to_string())?;
        let topic = TopicName::new("market.ticks");
        let mut already = Already::look(&mut feed, &self.latest, |tick| self.id(tick))?;
        let mut feed = already.take_looked_at().into_iter().map(Ok).chain(feed);
        loop {
            let (mut ticks, mut counts) = (Vec::with_capacity(self.batch), vec![0; self.files.len()]);
            for tick in feed.by_ref().take(self.batch) {
                let tick = tick.map_err(|error| error.to_string())?;
                counts[tick.file] += 1;
                if !already.is_there(&tick) {
                    ticks.push(self.encode(&topic, &tick)?);
                }
            }
            let last = counts.iter().all(|count| *count == 0);
            if last
                || self.shared.stop.load(Ordering::Relaxed)
                || send.blocking_send((ticks, counts)).is_err()
            {
                return Ok(());
            }
        }
    }

    /// The id of a line's event: of the file's content and the line, so that it is the same in every run.
    fn id(&self, tick: &FeedTick) -> EventId {
        EventId::of_source(&self.sources[tick.file], tick.line, Timestamp::from(tick.tick.timestamp))
    }

    fn encode(&self, topic: &TopicName, tick: &FeedTick) -> Result<Outgoing, String> {
        let ts = Timestamp::from(tick.tick.timestamp);
        Outgoing::root(topic.clone(), self.id(tick), ts, SOURCE, &tick.tick)
            .map_err(|error| error.to_string())
    }
}
