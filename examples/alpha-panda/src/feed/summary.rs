//! What is known of a file once it was read to its end.

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use pandaflow::trading::{InstrumentToken, MarketHours, Text};

use super::{
    archive::PackedCsv,
    error::FeedError,
    kind::{FeedKind, Subject},
    source::Source,
};

/// A file that was found good, from its first line to its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSummary {
    /// The archive, as it was named.
    pub path: PathBuf,
    /// Names the content: a 64-bit FNV-1a hash of the CSV's name, length and CRC-32. With the number of a line it
    /// names a tick, on every machine and in every run.
    pub digest: u64,
    /// Lines, each of which is a tick.
    pub lines: u64,
    /// Ticks outside of the market's regular session.
    pub outside_regular_session: u64,
    /// The time of the first tick.
    pub first: DateTime<Utc>,
    /// The time of the last tick.
    pub last: DateTime<Utc>,
    pub(super) packed: PackedCsv,
    pub(super) subject: Subject,
}

impl FileSummary {
    /// What the file holds.
    #[must_use]
    pub const fn kind(&self) -> FeedKind {
        self.subject.kind
    }

    /// Whose prices these are.
    #[must_use]
    pub const fn instrument_token(&self) -> InstrumentToken {
        self.subject.token
    }

    /// The instrument's name on its exchange.
    #[must_use]
    pub const fn symbol(&self) -> &Text {
        &self.subject.symbol
    }

    /// The day on the market's clock.
    #[must_use]
    pub const fn day(&self) -> NaiveDate {
        self.subject.day
    }

    /// The name of the file inside the archive.
    #[must_use]
    pub fn csv(&self) -> &str {
        &self.packed.name
    }

    /// Reads the file to its end.
    pub(super) fn read(path: &Path) -> Result<Self, FeedError> {
        let packed = PackedCsv::find(path)?;
        let csv = packed.name.clone();
        let subject = Subject::of_csv(&csv)
            .filter(|subject| subject.agrees_with(path))
            .ok_or_else(|| FeedError::CsvName { path: path.to_owned(), csv: csv.clone() })?;
        packed.verify(path).map_err(|source| FeedError::Damaged {
            path: path.to_owned(),
            csv: csv.clone(),
            source,
        })?;
        let mut source = Source::start(0, path, &packed, &subject)?;
        let Some(first) = source.advance()? else {
            return Err(FeedError::Empty { path: path.to_owned(), csv });
        };
        let hours = MarketHours::of(subject.kind.market());
        let mut summary = Self {
            path: path.to_owned(),
            digest: digest(&packed),
            lines: 0,
            outside_regular_session: 0,
            first: first.tick.timestamp,
            last: first.tick.timestamp,
            packed,
            subject,
        };
        let mut next = Some(first);
        while let Some(read) = next {
            summary.lines = read.line;
            summary.last = read.tick.timestamp;
            summary.outside_regular_session += u64::from(!hours.is_regular(read.tick.timestamp));
            next = source.advance()?;
        }
        Ok(summary)
    }
}

fn digest(packed: &PackedCsv) -> u64 {
    let numbers = packed.size.to_le_bytes().into_iter().chain(packed.crc32.to_le_bytes());
    packed.name.bytes().chain(numbers).fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}
