//! Why a feed can't be read: for the person who gave the file.

use std::{io, path::PathBuf};

use thiserror::Error;

/// A file that is no feed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The file can't be opened or read.
    #[error("{}: can't be read: {source}; expected a zip archive of recorded trades or bars", .path.display())]
    Unreadable {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no zip archive, or one that is cut off.
    #[error("{}: no whole zip archive ({source}); it may be truncated, or something else", .path.display())]
    NoArchive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        source: zip::result::ZipError,
    },
    /// The archive's content can't be unpacked, or is not what was packed.
    #[error("{}: {csv} can't be unpacked whole ({source}); the archive is damaged or truncated", .path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// The file inside.
        csv: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The archive does not hold one CSV.
    #[error("{}: holds {found}; expected one CSV (or the same one under several names)", .path.display())]
    NotOneCsv {
        /// The archive.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The CSV's name is of no known form, or does not agree with the archive's.
    #[error(
        "{}: holds `{csv}`; expected `DATE_SYMBOL_Trade_Tick.csv` (US trades), `DATE_yesbank_minute_trade.csv` or \
         `DATE_nifty_minute_trade.csv`, with the archive's own symbol and date (such as 20131007)",
        .path.display()
    )]
    CsvName {
        /// The archive.
        path: PathBuf,
        /// The name of the file inside.
        csv: String,
    },
    /// The CSV has no line.
    #[error("{}: {csv} is empty; expected at least one trade or bar", .path.display())]
    Empty {
        /// The archive.
        path: PathBuf,
        /// The file inside.
        csv: String,
    },
    /// A line is no trade or bar.
    #[error("{}: {csv}, line {line}: {problem}", .path.display())]
    Line {
        /// The archive.
        path: PathBuf,
        /// The file inside.
        csv: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// The same file was given twice: its ticks would be the same events.
    #[error("{}: has the same content as {}; expected each file once", .path.display(), .other.display())]
    Twice {
        /// The archive.
        path: PathBuf,
        /// The one before.
        other: PathBuf,
    },
    /// More of the file was published before than it has now.
    #[error("{}: has {lines} lines, but {published} were published before; the file was changed", .path.display())]
    Shorter {
        /// The archive.
        path: PathBuf,
        /// Lines that it has.
        lines: u64,
        /// Lines that were published.
        published: u64,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// A field can't be read.
    #[error("field {number} ({name}) is `{value}`; expected {expected}")]
    Field {
        /// Which field, from 1.
        number: usize,
        /// What the field is.
        name: &'static str,
        /// What stands there.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// There are too few or too many fields.
    #[error("{found} fields; expected 6, separated by commas")]
    FieldCount {
        /// Fields that the line has.
        found: usize,
    },
    /// The line is longer than any trade or bar.
    #[error("longer than {limit} bytes; expected 6 fields, separated by commas")]
    TooLong {
        /// Bytes that a line may have.
        limit: usize,
    },
    /// The line is earlier than the one before.
    #[error(
        "at {millis} ms, which is not after {before} ms on the line before; expected lines in the order of time"
    )]
    Order {
        /// Its time, in milliseconds since midnight.
        millis: u32,
        /// The time of the line before.
        before: u32,
    },
    /// The bar's prices contradict each other.
    #[error("open or close is not between low and high; expected low ≤ open, close ≤ high")]
    Prices,
}
