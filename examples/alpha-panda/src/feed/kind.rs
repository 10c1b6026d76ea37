//! What a file is, told by the name of the CSV inside and, where it says something, the name of the archive.

use std::path::Path;

use chrono::NaiveDate;
use pandaflow::trading::{InstrumentToken, Market, Text};

/// How the lines of a file are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedKind {
    /// Trades of a share of the United States.
    Trades,
    /// Minute bars of a share of the NSE, prices × 10,000.
    ShareBars,
    /// Minute bars of an index of the NSE, plain prices, no volume.
    IndexBars,
}

/// What a file's ticks have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) kind: FeedKind,
    pub(super) token: InstrumentToken,
    pub(super) symbol: Text,
    /// The day on the market's clock.
    pub(super) day: NaiveDate,
}

impl FeedKind {
    /// Whose clock the times are of.
    #[must_use]
    pub const fn market(self) -> Market {
        match self {
            Self::Trades => Market::Us,
            Self::ShareBars | Self::IndexBars => Market::Nse,
        }
    }
}

impl Subject {
    /// What the CSV `csv` is about; none if its name is of no known form.
    pub(super) fn of_csv(csv: &str) -> Option<Self> {
        let (date, rest) = csv.split_once('_')?;
        let day = day(date)?;
        if let Some(symbol) = rest.strip_suffix("_Trade_Tick.csv") {
            let is_symbol = symbol.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
            let text = Text::new(symbol.to_ascii_uppercase()).ok().filter(|_| is_symbol)?;
            return Some(Self {
                kind: FeedKind::Trades,
                token: InstrumentToken::us(symbol),
                symbol: text,
                day,
            });
        }
        let (kind, token, symbol) = match rest.strip_suffix("_minute_trade.csv")? {
            "yesbank" => (FeedKind::ShareBars, InstrumentToken::YESBANK, "YESBANK"),
            "nifty" | "nifty50" => (FeedKind::IndexBars, InstrumentToken::NIFTY_50, "NIFTY 50"),
            _ => return None,
        };
        Some(Self { kind, token, symbol: Text::of(symbol), day })
    }

    /// Whether the archive's name agrees. A name of another form says nothing, and so agrees.
    pub(super) fn agrees_with(&self, archive: &Path) -> bool {
        let stem = archive.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let parts: Vec<&str> = stem.split('-').collect();
        let [market, symbol, date, form] = parts[..] else { return true };
        let Some(day) = day(date) else { return true };
        match (market, form, self.kind) {
            ("us", "trades", FeedKind::Trades) => self.symbol.eq_ignore_ascii_case(symbol) && day == self.day,
            ("nse", "minute", FeedKind::ShareBars) => {
                self.symbol.eq_ignore_ascii_case(symbol) && day == self.day
            }
            ("nse", "minute", FeedKind::IndexBars) => symbol == "nifty50",
            ("us", "trades", _) | ("nse", "minute", _) => false,
            _ => true,
        }
    }
}

fn day(date: &str) -> Option<NaiveDate> {
    let digits = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    NaiveDate::parse_from_str(date, "%Y%m%d").ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_the_name_of_its_csv() {
        let spy = Subject::of_csv("20131007_spy_Trade_Tick.csv").unwrap();
        assert_eq!(
            (spy.kind, spy.token, &*spy.symbol),
            (FeedKind::Trades, InstrumentToken::us("SPY"), "SPY")
        );
        assert_eq!(spy.day, NaiveDate::from_ymd_opt(2013, 10, 7).unwrap());
        let yesbank = Subject::of_csv("20190709_yesbank_minute_trade.csv").unwrap();
        assert_eq!((yesbank.kind, yesbank.token.get()), (FeedKind::ShareBars, 3_050_241));
        let nifty = Subject::of_csv("20190102_nifty_minute_trade.csv").unwrap();
        assert_eq!((nifty.kind, nifty.token.get()), (FeedKind::IndexBars, 256_265));
    }

    #[test]
    fn other_names_are_of_no_known_form() {
        for csv in [
            "",
            "prices.csv",
            "2013_spy_Trade_Tick.csv",
            "20131307_spy_Trade_Tick.csv",
            "20131007__Trade_Tick.csv",
            "20131007_sp/y_Trade_Tick.csv",
            "20131007_spy_Quote_Tick.csv",
            "20190709_infy_minute_trade.csv",
        ] {
            assert_eq!(Subject::of_csv(csv), None, "{csv}");
        }
    }

    #[test]
    fn the_archives_name_must_not_say_otherwise() {
        let spy = Subject::of_csv("20131007_spy_Trade_Tick.csv").unwrap();
        for (archive, agrees) in [
            ("us-spy-20131007-trades.zip", true),
            ("any.zip", true),
            ("us-aig-20131007-trades.zip", false),
            ("us-spy-20131008-trades.zip", false),
            ("nse-spy-20131007-minute.zip", false),
        ] {
            assert_eq!(spy.agrees_with(Path::new(archive)), agrees, "{archive}");
        }
        let nifty = Subject::of_csv("20190102_nifty_minute_trade.csv").unwrap();
        assert!(nifty.agrees_with(Path::new("nse-nifty50-20190101-minute.zip")));
        assert!(!nifty.agrees_with(Path::new("nse-yesbank-20190102-minute.zip")));
    }
}
