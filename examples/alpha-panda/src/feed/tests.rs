//! The shipped files as they are, and files with every mistake that a feed can have.

use std::{
    io::{Cursor, Write},
    path::PathBuf,
};

use pandaflow::trading::{InstrumentToken, MarketHours, Price, Session};
use tempfile::TempDir;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

const US: [&str; 4] = [
    "us-aig-20131007-trades.zip",
    "us-bac-20131007-trades.zip",
    "us-ibm-20131007-trades.zip",
    "us-spy-20131007-trades.zip",
];
const SPY_CSV: &str = "20131007_spy_Trade_Tick.csv";
const TRADE: &str = "34200000,1674100,100,P,2000,0";
const BAR: &str = "33300000,950000,950000,939000,948500,1730100";

fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("market-data").join(name)
}

fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A file of that name in a folder of its own.
fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn error_of(name: &str, bytes: &[u8]) -> FeedError {
    let (_folder, path) = file(name, bytes);
    Feed::open(&[path]).unwrap_err()
}

fn error_of_csv(csv: &str, content: &str) -> String {
    error_of("feed.zip", &archive(&[(csv, content)])).to_string()
}

fn ticks(csv: &str, content: &str) -> Vec<FeedTick> {
    let (_folder, path) = file("feed.zip", &archive(&[(csv, content)]));
    Feed::open(&[path]).unwrap().map(Result::unwrap).collect()
}

fn price(text: &str) -> Price {
    Price::new(text.parse().unwrap()).unwrap()
}

#[test]
fn the_us_files_have_388417_trades_in_the_order_of_time() {
    let feed = Feed::open(&US.map(shipped)).unwrap();
    let counts: Vec<_> = feed.files().iter().map(|file| (file.lines, file.outside_regular_session)).collect();
    assert_eq!(counts, [(25_351, 93), (88_172, 1_738), (24_293, 187), (250_601, 9_097)]);
    assert_eq!((feed.lines(), feed.count_outside_regular_session()), (388_417, 11_115));

    let mut outside = 0;
    let mut count = 0;
    let mut before = None;
    for read in feed {
        let read = read.unwrap();
        let place = (read.tick.timestamp, read.file, read.line);
        assert!(before < Some(place), "{place:?} comes after {before:?}");
        before = Some(place);
        count += 1;
        let hours = MarketHours::of(read.tick.instrument_token.market());
        outside += u64::from(!hours.is_regular(read.tick.timestamp));
    }
    assert_eq!((count, outside), (388_417, 11_115));
}

#[test]
fn the_nse_files_have_a_bar_a_line_and_end_with_the_closing_session() {
    for (name, lines, outside) in
        [("nse-yesbank-20190709-minute.zip", 377, 2), ("nse-yesbank-20190710-minute.zip", 376, 1)]
    {
        let feed = Feed::open(&[shipped(name)]).unwrap();
        let file = &feed.files()[0];
        assert_eq!((file.lines, file.outside_regular_session), (lines, outside), "{name}");
        let ticks: Vec<_> = feed.map(Result::unwrap).collect();
        let nse = MarketHours::of(ticks[0].tick.instrument_token.market());
        assert_eq!(nse.status(ticks[0].tick.timestamp), Session::Regular);
        assert_eq!(nse.status(ticks.last().unwrap().tick.timestamp), Session::Closing);
    }
}

#[test]
fn a_trade_is_a_tick_with_its_price_quantity_and_time() {
    let read = &ticks(SPY_CSV, TRADE)[0];
    assert_eq!((read.file, read.line), (0, 1));
    let mut tick =
        MarketTick::new(InstrumentToken::us("SPY"), price("167.41"), "2013-10-07T13:30:00Z".parse().unwrap());
    tick.symbol = pandaflow::trading::Text::new("SPY").ok();
    tick.last_traded_quantity = Some(100);
    assert_eq!(read.tick, tick);
    assert_eq!(read.tick.last_price.to_string(), "167.41");
}

#[test]
fn a_bar_is_a_tick_at_its_last_millisecond_with_its_close() {
    let tick = &ticks("20190709_yesbank_minute_trade.csv", BAR)[0].tick;
    assert_eq!(tick.timestamp.to_rfc3339(), "2019-07-09T03:45:59.999+00:00");
    assert_eq!(tick.last_price, price("94.85"));
    assert_eq!(tick.volume_traded, Some(1_730_100));
    let ohlc = tick.ohlc.unwrap();
    assert_eq!((ohlc.open, ohlc.high, ohlc.low), (price("95"), price("95"), price("93.9")));
}

#[test]
fn a_bar_of_the_index_has_plain_prices_and_the_day_of_the_csv() {
    let line = "32820000,10881.7,10881.7,10881.7,10881.7,0";
    let entries = [("20190102_nifty_minute_trade.csv", line), ("20190101_nifty_minute_trade.csv", line)];
    let (_folder, path) = file("nse-nifty50-20190101-minute.zip", &archive(&entries));
    let feed = Feed::open(&[path]).unwrap();
    assert_eq!(feed.count_outside_regular_session(), 1);
    let ticks: Vec<_> = feed.map(Result::unwrap).collect();
    assert_eq!(ticks.len(), 1);
    assert_eq!(ticks[0].tick.timestamp.to_rfc3339(), "2019-01-02T03:37:59.999+00:00");
    assert_eq!(ticks[0].tick.last_price, price("10881.7"));
    assert_eq!(ticks[0].tick.volume_traded, None);
}

#[test]
fn winter_time_is_an_hour_later_in_utc() {
    let tick = &ticks("20131202_spy_Trade_Tick.csv", TRADE)[0].tick;
    assert_eq!(tick.timestamp.to_rfc3339(), "2013-12-02T14:30:00+00:00");
}

#[test]
fn a_line_end_after_the_last_line_adds_no_tick() {
    assert_eq!(ticks(SPY_CSV, &format!("{TRADE}\n{TRADE}\n")).len(), 2);
}

#[test]
fn a_bad_line_is_told_with_its_number_its_field_and_what_would_be_right() {
    for (line, problem) in [
        ("", "1 fields; expected 6"),
        ("34200000,1674100,100,P,2000", "5 fields; expected 6"),
        ("34200000,1674100,100,P,2000,0,", "7 fields; expected 6"),
        ("x,1674100,100,P,2000,0", "field 1 (time) is `x`; expected milliseconds since midnight"),
        ("86400000,1674100,100,P,2000,0", "field 1 (time) is `86400000`"),
        ("-1,1674100,100,P,2000,0", "field 1 (time) is `-1`"),
        ("34200000,167.41,100,P,2000,0", "field 2 (price) is `167.41`; expected a price × 10000"),
        ("34200000,0,100,P,2000,0", "field 2 (price) is `0`"),
        ("34200000,99999999999999999,100,P,2000,0", "field 2 (price) is `99999999999999999`"),
        ("34200000,1674100,0,P,2000,0", "field 3 (quantity) is `0`; expected a whole number above 0"),
        ("34200000,1674100,,P,2000,0", "field 3 (quantity) is ``"),
        ("34200000,1674100,100,PQ,2000,0", "field 4 (exchange) is `PQ`; expected a capital letter"),
        ("34200000,1674100,100,P,xyz,0", "field 5 (flags) is `xyz`; expected 1 to 8 hexadecimal digits"),
        ("34200000,1674100,100,P,2000,2", "field 6 (suspicious) is `2`; expected 0 or 1"),
        ("34200000,1674100,100,P,2000,0\r", "field 6 (suspicious) is `0\\r`"),
        ("34199999,1674100,100,P,2000,0", "at 34199999 ms, which is not after 34200000 ms"),
    ] {
        let said = error_of_csv(SPY_CSV, &format!("{TRADE}\n{line}\n{TRADE}"));
        assert!(said.contains(&format!("feed.zip: {SPY_CSV}, line 2: {problem}")), "{said}");
    }
}

#[test]
fn a_bad_bar_is_told_as_well() {
    for (csv, line, problem) in [
        ("yesbank", "33360001,1,1,1,1,0", "field 1 (time) is `33360001`; expected the start of a minute"),
        ("yesbank", BAR, "at 33300000 ms, which is not after 33300000 ms"),
        ("yesbank", "33360000,100,90,80,85,1", "open or close is not between low and high"),
        ("yesbank", "33360000,100,90,80,85,-1", "field 6 (volume) is `-1`"),
        ("yesbank", "33360000,95.0,95,95,95,1", "field 2 (open) is `95.0`"),
        ("nifty", "33360000,10881.7,10881.7,10881.7,10881.7,5", "field 6 (volume) is `5`; expected 0"),
        ("nifty", "33360000,1e4,10881.7,10881.7,10881.7,0", "field 2 (open) is `1e4`; expected a price"),
        ("nifty", "33360000,10881.7,0,10881.7,10881.7,0", "field 3 (high) is `0`"),
    ] {
        let first = if csv == "nifty" { "33300000,1,1,1,1,0" } else { BAR };
        let name = format!("20190709_{csv}_minute_trade.csv");
        let said = error_of_csv(&name, &format!("{first}\n{line}"));
        assert!(said.contains(&format!("{name}, line 2: {problem}")), "{said}");
    }
}

#[test]
fn an_endless_line_is_refused_without_being_held() {
    let said = error_of_csv(SPY_CSV, &"1".repeat(10_000_000));
    assert!(said.contains("line 1: longer than 256 bytes"), "{said}");
}

#[test]
fn what_is_no_feed_is_refused_with_its_name() {
    let trade = [(SPY_CSV, TRADE)];
    let two = [(SPY_CSV, TRADE), ("20131007_aig_Trade_Tick.csv", BAR)];
    for (name, bytes, said) in [
        ("a.zip", b"plain text".to_vec(), "a.zip: no whole zip archive"),
        ("a.zip", Vec::new(), "a.zip: no whole zip archive"),
        ("a.zip", archive(&[]), "a.zip: holds no file"),
        ("a.zip", archive(&two), "a.zip: holds several files"),
        ("a.zip", archive(&[("notes.txt", TRADE)]), "a.zip: holds `notes.txt`; expected"),
        ("us-aig-20131007-trades.zip", archive(&trade), "us-aig-20131007-trades.zip: holds `20131007_spy"),
        ("us-spy-20131008-trades.zip", archive(&trade), "us-spy-20131008-trades.zip: holds `20131007_spy"),
        ("a.zip", archive(&[(SPY_CSV, "")]), "a.zip: 20131007_spy_Trade_Tick.csv is empty"),
    ] {
        let error = error_of(name, &bytes).to_string();
        assert!(error.contains(said), "{error}");
    }
    let missing = Feed::open(&["nowhere.zip"]).unwrap_err();
    assert!(matches!(missing, FeedError::Unreadable { .. }), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Feed::open(&[folder.path()]), Err(FeedError::Unreadable { .. })));
}

#[test]
fn an_archive_cut_off_anywhere_is_refused() {
    let whole = std::fs::read(shipped("nse-yesbank-20190709-minute.zip")).unwrap();
    for length in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
        let error = error_of("nse-yesbank-20190709-minute.zip", &whole[..length]);
        assert!(matches!(error, FeedError::NoArchive { .. }), "{length} bytes: {error}");
    }
}

#[test]
fn a_byte_changed_in_the_packed_data_is_found() {
    let whole = std::fs::read(shipped("nse-yesbank-20190709-minute.zip")).unwrap();
    for place in (130..whole.len() - 200).step_by(97) {
        let mut changed = whole.clone();
        changed[place] ^= 0x10;
        let error = error_of("nse-yesbank-20190709-minute.zip", &changed);
        assert!(matches!(error, FeedError::Damaged { .. }), "byte {place}: {error}");
    }
}

#[test]
fn the_same_content_twice_is_refused() {
    let bytes = archive(&[(SPY_CSV, TRADE)]);
    let ((_a, first), (_b, second)) = (file("a.zip", &bytes), file("b.zip", &bytes));
    let error = Feed::open(&[first, second]).unwrap_err();
    assert!(matches!(&error, FeedError::Twice { .. }), "{error}");
}

#[test]
fn a_bad_file_is_found_before_a_good_one_gives_its_first_tick() {
    let (_folder, bad) = file("bad.zip", &archive(&[(SPY_CSV, "x")]));
    assert!(Feed::open(&[shipped(US[0]), bad]).is_err());
}

#[test]
fn a_feed_that_was_stopped_anywhere_goes_on_where_it_was() {
    let files = [shipped("nse-yesbank-20190709-minute.zip"), shipped("nse-yesbank-20190710-minute.zip")];
    let all: Vec<_> = Feed::open(&files).unwrap().map(Result::unwrap).collect();
    for stop in (0..=all.len()).step_by(83).chain([all.len()]) {
        let mut published = [0; 2];
        for tick in &all[..stop] {
            published[tick.file] += 1;
        }
        let rest: Vec<_> = Feed::open_after(&files, &published).unwrap().map(Result::unwrap).collect();
        assert_eq!(rest, all[stop..], "stopped after {stop}");
    }
}

#[test]
fn a_file_with_fewer_lines_than_were_published_is_refused() {
    let (_folder, path) = file("a.zip", &archive(&[(SPY_CSV, TRADE)]));
    assert_eq!(Feed::open_after(&[&path], &[1]).unwrap().count(), 0);
    let error = Feed::open_after(&[&path], &[2]).unwrap_err();
    assert!(matches!(error, FeedError::Shorter { lines: 1, published: 2, .. }), "{error}");
}

#[test]
fn ticks_of_one_millisecond_come_in_the_order_of_the_files() {
    let bytes = |symbol: &str| archive(&[(&format!("20131007_{symbol}_Trade_Tick.csv"), TRADE)]);
    let ((_a, spy), (_b, aig)) = (file("spy.zip", &bytes("spy")), file("aig.zip", &bytes("aig")));
    for files in [[&spy, &aig], [&aig, &spy]] {
        let order: Vec<_> = Feed::open(&files).unwrap().map(|tick| tick.unwrap().file).collect();
        assert_eq!(order, [0, 1]);
    }
}

#[test]
fn the_digest_of_a_file_is_the_same_in_every_run() {
    let feed = Feed::open(&[shipped(US[0])]).unwrap();
    assert_eq!(format!("{:016x}", feed.files()[0].digest), "a7ab3cc32916e0ce");
}
