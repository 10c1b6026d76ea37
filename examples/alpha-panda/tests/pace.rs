//! How fast the feed and the rules are by themselves, on the shipped trades: `cargo test --release -p alpha-panda
//! --test pace -- --ignored --nocapture`.

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use alpha_panda::feed::Feed;
use pandaflow::trading::{
    Account, AccountKey, AccountRisk, MarketHours, Quantity, RiskLimits, Side, Strategies, TradingSignal,
    Verdict,
};

#[derive(Default)]
struct Tally {
    raw: [u32; 2],
    validated: u32,
    failed_rules: BTreeMap<String, u32>,
    lowest: i64,
    highest: i64,
}

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("market-data");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the shipped files")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "zip"))
        .collect();
    files.sort();
    files
}

#[test]
#[ignore = "a measurement, to be run in release"]
fn the_feed_and_the_rules_alone() {
    let files = files();
    let started = Instant::now();
    let feed = Feed::open(&files).expect("good files");
    println!("check: {:?}", started.elapsed());
    let us: Vec<_> = files.iter().filter(|path| path.to_string_lossy().contains("us-")).collect();

    let started = Instant::now();
    let count = Feed::open_after(&us, &[]).expect("good files").count();
    println!("check and read the US files: {count} in {:?}", started.elapsed());

    for file in feed.files() {
        println!("{} {} lines, {} outside", file.symbol(), file.lines, file.outside_regular_session);
    }
    let (signals, last) = strategies(&us);
    judge(&signals, &last);
    let bars: Vec<_> = files.iter().filter(|path| path.to_string_lossy().contains("nse-")).collect();
    let (signals, last) = strategies(&bars);
    judge(&signals, &last);
}

type Last = BTreeMap<u32, pandaflow::trading::Price>;

fn strategies(files: &[&PathBuf]) -> (Vec<TradingSignal>, Last) {
    let quantity = Quantity::new(Strategies::DEFAULT_QUANTITY).expect("above 0");
    let started = Instant::now();
    let feed = Feed::open(files).expect("good files");
    let opened = started.elapsed();
    let (mut states, mut last, mut signals) = (BTreeMap::new(), Last::new(), Vec::new());
    let mut count = 0_u32;
    for read in feed {
        let tick = read.expect("a good line").tick;
        count += 1;
        if MarketHours::of(tick.instrument_token.market()).is_regular(tick.timestamp) {
            let state: &mut Strategies = states.entry(tick.instrument_token).or_default();
            signals.extend(state.on_tick(&tick, quantity));
            last.insert(tick.instrument_token.get(), tick.last_price);
        }
    }
    let elapsed = started.elapsed();
    println!("feed and strategies: {count} ticks in {elapsed:?} (of which the check {opened:?})");
    (signals, last)
}

fn judge(signals: &[TradingSignal], last: &Last) {
    let limits = RiskLimits::default();
    let mut accounts: BTreeMap<AccountKey, (AccountRisk, Account, Tally)> = BTreeMap::new();
    let started = Instant::now();
    for signal in signals {
        let (risk, book, tally) = accounts.entry(signal.account_key()).or_insert_with(|| {
            (AccountRisk::default(), Account::new(limits.starting_cash), Tally::default())
        });
        let side = signal.signal_type.side().expect("never to hold");
        tally.raw[usize::from(side == Side::Sell)] += 1;
        match risk.decide(&limits, signal) {
            Verdict::Validated(valid) => {
                tally.validated += 1;
                let price = valid.validated_price.expect("a price");
                book.apply(&limits.paper_trading.fill(side, valid.validated_quantity, price));
                tally.lowest = tally.lowest.min(risk.exposure());
                tally.highest = tally.highest.max(risk.exposure());
            }
            Verdict::Rejected(rejected) => {
                let failed: Vec<_> =
                    rejected.risk_checks.iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
                *tally.failed_rules.entry(failed.join("+")).or_default() += 1;
            }
        }
    }
    println!("risk and fills: {} signals in {:?}", signals.len(), started.elapsed());
    for (key, (_, mut book, tally)) in accounts {
        book.mark(last[&key.instrument_token.get()]);
        println!(
            "{key}: buy {} sell {} validated {} exposure {}..{} rejected {:?} realized {} unrealized {}",
            tally.raw[0],
            tally.raw[1],
            tally.validated,
            tally.lowest,
            tally.highest,
            tally.failed_rules,
            book.realized_pnl,
            book.unrealized_pnl(),
        );
    }
}
