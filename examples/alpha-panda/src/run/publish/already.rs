//! What is on the log already, though it is not known to be published: where ticks and the place in the files don't become
//! real in one transaction, a crash between the two leaves ticks on the log that would be published once more.
//!
//! An instrument's ticks lie in one partition, in the order of the feed. So its latest tick on the log tells which of the
//! next ticks are there: all up to that one.

use std::collections::HashMap;

use pandaflow::{
    EventEnvelope, EventId, TopicName,
    trading::{InstrumentToken, MarketTick},
};
use pandaflow_actors::Mode;

use super::{super::setup::Opened, BATCH, WAITING};
use crate::feed::{Feed, FeedTick, FileSummary};

/// The latest tick of each instrument on the log.
pub(super) type Latest = HashMap<InstrumentToken, EventId>;

/// How many of the next ticks may be there at most: those that were on their way, with room to spare.
const AHEAD: usize = 2 * (WAITING + 2) * BATCH;

/// Reads them; none where ticks and progress are one transaction.
pub(super) async fn latest_ids(opened: &Opened, files: &[FileSummary]) -> Result<Latest, String> {
    let mut latest = Latest::new();
    if opened.setup.mode == Mode::Embedded {
        return Ok(latest);
    }
    let table = opened.transport.tables().open(TopicName::new("market.ticks")).await;
    let table = table.map_err(|error| error.to_string())?;
    for file in files {
        let token = file.instrument_token();
        let Some(record) = table.latest(token.to_string().as_bytes()) else { continue };
        let Some(value) = &record.value else { continue };
        let tick = EventEnvelope::<MarketTick>::decode(value);
        let tick = tick.map_err(|error| format!("the latest tick of {token} can't be read: {error}"))?;
        latest.insert(token, EventId(tick.id));
    }
    Ok(latest)
}

/// The next ticks of a feed, and which of them are there.
pub(super) struct Already {
    looked_at: Vec<FeedTick>,
    /// File and line of the last tick of each instrument that is there, with its place among those looked at.
    there: HashMap<InstrumentToken, usize>,
    passed: usize,
}

impl Already {
    /// Looks ahead as far as ticks may be there.
    pub(super) fn look(
        feed: &mut Feed,
        latest: &Latest,
        id: impl Fn(&FeedTick) -> EventId,
    ) -> Result<Self, String> {
        let mut already = Self { looked_at: Vec::new(), there: HashMap::new(), passed: 0 };
        if latest.is_empty() {
            return Ok(already);
        }
        for (place, tick) in feed.take(AHEAD).enumerate() {
            let tick = tick.map_err(|error| error.to_string())?;
            let token = tick.tick.instrument_token;
            if latest.get(&token).is_some_and(|latest| *latest == id(&tick)) {
                already.there.insert(token, place);
            }
            already.looked_at.push(tick);
        }
        Ok(already)
    }

    /// The ticks that were looked at: the first of the feed.
    pub(super) fn take_looked_at(&mut self) -> Vec<FeedTick> {
        std::mem::take(&mut self.looked_at)
    }

    /// Whether the next tick is there. To be asked of each tick once, in the order of the feed.
    pub(super) fn is_there(&mut self, tick: &FeedTick) -> bool {
        let place = self.passed;
        self.passed += 1;
        self.there.get(&tick.tick.instrument_token).is_some_and(|last| place <= *last)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn feed() -> Feed {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("market-data");
        let files =
            ["us-ibm-20131007-trades.zip", "us-aig-20131007-trades.zip"].map(|file| folder.join(file));
        Feed::open(&files).unwrap()
    }

    fn id(tick: &FeedTick) -> EventId {
        EventId::of_source(&format!("file {}", tick.file), tick.line, pandaflow::Timestamp(0))
    }

    /// Ticks that are published if the log ends with the `there` first of the feed, though none is known to be.
    fn published_after(there: usize) -> Vec<(usize, u64)> {
        let mut latest = Latest::new();
        for tick in feed().take(there).map(Result::unwrap) {
            latest.insert(tick.tick.instrument_token, id(&tick));
        }
        let mut feed = feed();
        let mut already = Already::look(&mut feed, &latest, id).unwrap();
        let first = already.take_looked_at();
        let rest = first.into_iter().chain(feed.map(Result::unwrap)).take(3 * AHEAD);
        rest.filter(|tick| !already.is_there(tick)).map(|tick| (tick.file, tick.line)).collect()
    }

    #[test]
    fn what_is_on_the_log_already_is_published_once_and_all_the_rest_is() {
        let all: Vec<_> =
            feed().map(Result::unwrap).map(|tick| (tick.file, tick.line)).take(3 * AHEAD).collect();
        for there in [0, 1, 2, 999, 2_000, AHEAD] {
            assert_eq!(published_after(there), all[there..], "{there} were there");
        }
    }

    #[test]
    fn a_latest_tick_of_long_ago_keeps_nothing_back() {
        let token = feed().next().unwrap().unwrap().tick.instrument_token;
        let latest = Latest::from([(token, EventId::of_source("another", 1, pandaflow::Timestamp(0)))]);
        let mut feed = feed();
        let mut already = Already::look(&mut feed, &latest, id).unwrap();
        assert!(!already.take_looked_at().iter().any(|tick| already.is_there(tick)));
    }
}
