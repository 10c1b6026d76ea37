//! The market feed: recorded trades and bars, from zip archives to ticks in the order of their time.
//!
//! | archive | CSV inside | a line is |
//! | --- | --- | --- |
//! | `us-{symbol}-{date}-trades.zip` | `{date}_{symbol}_Trade_Tick.csv` | a trade: milliseconds, price × 10,000, quantity, exchange, sale-condition flags (hex), suspicious (0 or 1) |
//! | `nse-yesbank-{date}-minute.zip` | `{date}_yesbank_minute_trade.csv` | a minute bar: milliseconds, open, high, low, close (each × 10,000), volume |
//! | `nse-nifty50-{date}-minute.zip` | `{date}_nifty_minute_trade.csv` | the same of the index: plain prices, volume 0 |
//!
//! Milliseconds count from midnight on the market's clock. Day, symbol and kind are those of the CSV's name; where
//! the archive's name says something else, it is refused, except for the day of `nse-nifty50`, which was recorded
//! with another day outside than inside. Those archives hold the same bytes under two names: the first one counts,
//! and an archive whose CSVs differ is refused.
//!
//! **A trade** is a tick with the trade's price, quantity and time. Trades that the exchange flagged as suspicious
//! are kept like any other (none of the shipped files has one): the number of ticks is the number of lines. **A
//! bar** is one tick with the bar's prices and volume, `last_price` its close, at the last millisecond of its
//! minute: that is when its close is known, and it is in the same session as the rest of the bar.
//!
//! [`Feed::open`] reads every file to its end before the first tick is given out, so that a bad file is found before
//! anything was done with a good one. Memory does not grow with the files.

mod archive;
mod bar;
mod error;
mod fields;
mod kind;
mod lines;
mod merge;
mod source;
mod summary;
mod trade;

use std::path::Path;

pub use self::{
    error::{FeedError, LineProblem},
    kind::FeedKind,
    summary::FileSummary,
};
use self::{merge::Merge, source::Source};
use pandaflow::trading::MarketTick;

/// A tick with its place in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedTick {
    /// Which file it is from: its index in the list that the feed was opened with.
    pub file: usize,
    /// Its line in the CSV, from 1.
    pub line: u64,
    /// The tick; its `timestamp` is the event's time.
    pub tick: MarketTick,
}

/// All ticks of some files, by time; ticks of the same millisecond by the order of the files, then of the lines.
///
/// The order is the same each time, so that (file, line) names a tick for good, and a feed that was stopped goes on
/// where it was: with the number of lines of each file that were published.
#[derive(Debug)]
pub struct Feed {
    summaries: Vec<FileSummary>,
    merge: Merge,
}

impl Feed {
    /// Checks all files whole, then opens them.
    ///
    /// # Errors
    /// The first file that is missing, no archive, truncated, of no known kind, given twice, or has a bad line.
    pub fn open<P: AsRef<Path>>(files: &[P]) -> Result<Self, FeedError> {
        Self::open_after(files, &vec![0; files.len()])
    }

    /// The same, without the first `published[i]` lines of each file, which were given out before. A file that is
    /// missing in `published` begins at its first line.
    ///
    /// # Errors
    /// As [`Self::open`]; also if more lines of a file were published than it has.
    pub fn open_after<P: AsRef<Path>>(files: &[P], published: &[u64]) -> Result<Self, FeedError> {
        Self::go_on(&check(files)?, published)
    }

    /// The same of files that were checked before.
    ///
    /// # Errors
    /// A file was changed since; or more lines of one were published than it has.
    pub fn go_on(checked: &[FileSummary], published: &[u64]) -> Result<Self, FeedError> {
        let summaries = checked.to_vec();
        let sources = summaries.iter().enumerate().map(|(index, summary)| {
            let published = published.get(index).copied().unwrap_or(0);
            if published > summary.lines {
                let path = summary.path.clone();
                return Err(FeedError::Shorter { path, lines: summary.lines, published });
            }
            Source::open(index, summary, published)
        });
        let merge = Merge::new(sources.collect::<Result<_, _>>()?)?;
        Ok(Self { summaries, merge })
    }

    /// What was found in each file, in the order that they were given in.
    #[must_use]
    pub fn files(&self) -> &[FileSummary] {
        &self.summaries
    }

    /// Lines of all files together: the events that the feed has from its beginning to its end.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.summaries.iter().map(|summary| summary.lines).sum()
    }

    /// Ticks of all files together that are outside of their market's regular session.
    #[must_use]
    pub fn count_outside_regular_session(&self) -> u64 {
        self.summaries.iter().map(|summary| summary.outside_regular_session).sum()
    }
}

/// Ends after the first error: it comes from a file that was changed or taken away after it had been checked.
impl Iterator for Feed {
    type Item = Result<FeedTick, FeedError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.merge.next()
    }
}

/// Reads every file to its end.
///
/// # Errors
/// As [`Feed::open`].
pub fn check<P: AsRef<Path>>(files: &[P]) -> Result<Vec<FileSummary>, FeedError> {
    let mut summaries: Vec<FileSummary> = Vec::new();
    for path in files {
        let summary = FileSummary::read(path.as_ref())?;
        if let Some(same) = summaries.iter().find(|other| other.digest == summary.digest) {
            return Err(FeedError::Twice { path: summary.path, other: same.path.clone() });
        }
        summaries.push(summary);
    }
    Ok(summaries)
}

#[cfg(test)]
mod tests;
