//! One file of a feed: its lines as ticks, in the order of their time.

use std::path::PathBuf;

use chrono::{DateTime, Duration, NaiveTime, TimeZone, Utc};
use pandaflow::trading::MarketTick;

use super::{
    FeedTick, FileSummary,
    archive::{PackedCsv, Unpacked},
    bar::Bar,
    error::{FeedError, LineProblem},
    kind::{FeedKind, Subject},
    lines::{Lines, NoLine},
    trade::Trade,
};

/// The lines of one file, from where it was opened to its end.
#[derive(Debug)]
pub(super) struct Source {
    /// The file's place in the list.
    index: usize,
    path: PathBuf,
    csv: String,
    subject: Subject,
    midnight: DateTime<Utc>,
    lines: Lines<Unpacked>,
    /// Milliseconds since midnight of the line before.
    before: Option<u32>,
}

impl Source {
    /// The file's lines after the first `published`.
    pub(super) fn open(index: usize, summary: &FileSummary, published: u64) -> Result<Self, FeedError> {
        if PackedCsv::find(&summary.path)? != summary.packed {
            return Err(FeedError::Changed { path: summary.path.clone() });
        }
        let mut source = Self::start(index, &summary.path, &summary.packed, &summary.subject)?;
        while source.lines.number() < published {
            let skipped = source.lines.advance().map(|line| line.is_some());
            if !skipped.map_err(|problem| source.error(problem))? {
                break;
            }
        }
        Ok(source)
    }

    pub(super) fn start(
        index: usize,
        path: &std::path::Path,
        packed: &PackedCsv,
        subject: &Subject,
    ) -> Result<Self, FeedError> {
        let unpacked =
            packed.unpack(path).map_err(|source| FeedError::Unreadable { path: path.to_owned(), source })?;
        Ok(Self {
            index,
            path: path.to_owned(),
            csv: packed.name.clone(),
            subject: subject.clone(),
            midnight: midnight(subject),
            lines: Lines::new(unpacked),
            before: None,
        })
    }

    /// The next tick; none at the end.
    pub(super) fn advance(&mut self) -> Result<Option<FeedTick>, FeedError> {
        let parsed = match self.lines.advance() {
            Ok(None) => return Ok(None),
            Ok(Some(line)) => parse(&self.subject, self.midnight, line, &mut self.before),
            Err(no_line) => return Err(self.error(no_line)),
        };
        match parsed {
            Ok(tick) => Ok(Some(FeedTick { file: self.index, line: self.lines.number(), tick })),
            Err(problem) => Err(self.error(NoLine::Problem(problem))),
        }
    }

    fn error(&self, no_line: NoLine) -> FeedError {
        let (path, csv) = (self.path.clone(), self.csv.clone());
        match no_line {
            NoLine::Io(source) => FeedError::Damaged { path, csv, source },
            NoLine::Problem(problem) => FeedError::Line { path, csv, line: self.lines.number(), problem },
        }
    }
}

fn parse(
    subject: &Subject,
    midnight: DateTime<Utc>,
    line: &[u8],
    before: &mut Option<u32>,
) -> Result<MarketTick, LineProblem> {
    let at = |millis: u32| midnight + Duration::milliseconds(i64::from(millis));
    let (millis, mut tick) = match subject.kind {
        FeedKind::Trades => {
            let trade = Trade::parse(line)?;
            in_order(*before, trade.millis, before.is_none_or(|before| before <= trade.millis))?;
            let mut tick = MarketTick::new(subject.token, trade.price, at(trade.millis));
            tick.last_traded_quantity = Some(trade.quantity);
            (trade.millis, tick)
        }
        FeedKind::ShareBars | FeedKind::IndexBars => {
            let is_share = subject.kind == FeedKind::ShareBars;
            let bar = if is_share { Bar::parse_share(line)? } else { Bar::parse_index(line)? };
            in_order(*before, bar.millis, before.is_none_or(|before| before < bar.millis))?;
            let last_instant = at(bar.millis + Bar::MILLIS - 1);
            let mut tick = MarketTick::new(subject.token, bar.ohlc.close, last_instant);
            tick.ohlc = Some(bar.ohlc);
            tick.volume_traded = bar.volume;
            (bar.millis, tick)
        }
    };
    *before = Some(millis);
    tick.symbol = Some(subject.symbol.clone());
    Ok(tick)
}

fn in_order(before: Option<u32>, millis: u32, is_in_order: bool) -> Result<(), LineProblem> {
    match before {
        Some(before) if !is_in_order => Err(LineProblem::Order { millis, before }),
        _ => Ok(()),
    }
}

/// Midnight by the offset that the market's clock has at noon. Clocks are changed in the small hours of a Sunday or
/// never, so that on a day with trades the offset is the same from its first to its last.
fn midnight(subject: &Subject) -> DateTime<Utc> {
    const HALF_A_DAY: Duration = Duration::hours(12);
    let midnight = subject.day.and_time(NaiveTime::MIN);
    let zone = subject.kind.market().time_zone();
    let noon = zone.from_local_datetime(&(midnight + HALF_A_DAY)).earliest();
    noon.map_or_else(|| midnight.and_utc(), |noon| noon.to_utc() - HALF_A_DAY)
}
