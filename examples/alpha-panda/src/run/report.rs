//! The report of a run: what each processor did, orders, accounts, and whether it all adds up.

mod text;

use std::time::Duration;

use pandaflow::{
    Group, TopicName,
    policy::ledger::Ledger,
    ports::{Lag, StoreError, TableView},
    trading::{AccountKey, MarketTick, Price},
};
use pandaflow_actors::{Mode, StateError, decode_state};
use rust_decimal::Decimal;
use serde::Serialize;

use super::setup::Opened;
use crate::{
    feed::FileSummary,
    pipeline::{Book, OrderCounts},
};

/// The pipeline's processors, in the order of an event's way.
const PROCESSORS: [&str; 4] = ["strategies", "risk-manager", "execution", "portfolio"];

/// Everything that is told of a run. The fields that are written as JSON are kept stable.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    feed: FeedReport,
    ledger: Vec<LedgerRow>,
    orders: OrderCounts,
    accounts: Vec<AccountRow>,
    elapsed_seconds: f64,
    events_per_second: f64,
    #[serde(skip)]
    lines: u64,
    #[serde(skip)]
    whereabouts: String,
    #[serde(skip)]
    mode: Mode,
    /// Events of its inputs that each processor has settled, by the log.
    #[serde(skip)]
    settled: Vec<u64>,
    #[serde(skip)]
    behind: u64,
}

#[derive(Debug, Serialize)]
struct FeedReport {
    files: Vec<String>,
    /// Ticks on the log.
    events: u64,
}

#[derive(Debug, Serialize)]
struct LedgerRow {
    namespace: String,
    processor: &'static str,
    #[serde(flatten)]
    ledger: Ledger,
    in_flight: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct AccountRow {
    namespace: String,
    account: String,
    position: i64,
    #[serde(with = "rust_decimal::serde::str")]
    cash: Decimal,
    #[serde(with = "rust_decimal::serde::str")]
    realized_pnl: Decimal,
    #[serde(with = "rust_decimal::serde::str")]
    unrealized_pnl: Decimal,
    trades: u64,
}

/// Why a report can't be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the latest tick of {0} can't be read: {1}")]
    Tick(String, pandaflow::codec::DecodeError),
}

/// What was fed.
pub(super) struct Fed<'a> {
    /// From which files.
    pub(super) files: &'a [FileSummary],
    /// Ticks of them on the log.
    pub(super) events: u64,
    /// Of a run: how many of them it has published, and how long it took. A report by itself knows neither.
    pub(super) now: Option<(u64, Duration)>,
}

impl Report {
    /// Reads it from what has been settled.
    pub(super) async fn read(opened: &Opened, fed: &Fed<'_>) -> Result<Self, ReportError> {
        let (published, elapsed) = fed.now.unwrap_or_default();
        let elapsed_seconds = elapsed.as_secs_f64();
        let mut report = Self {
            feed: FeedReport {
                files: fed.files.iter().map(|file| file.path.display().to_string()).collect(),
                events: fed.events,
            },
            ledger: Vec::new(),
            orders: OrderCounts::default(),
            accounts: Vec::new(),
            elapsed_seconds,
            events_per_second: if published == 0 { 0.0 } else { published as f64 / elapsed_seconds },
            lines: fed.files.iter().map(|file| file.lines).sum(),
            whereabouts: opened.setup.whereabouts(),
            mode: opened.setup.mode,
            settled: Vec::new(),
            behind: 0,
        };
        report.read_ledgers(opened).await?;
        report.read_accounts(opened).await?;
        Ok(report)
    }

    async fn read_ledgers(&mut self, opened: &Opened) -> Result<(), StoreError> {
        let whose = |namespace| PROCESSORS.map(|processor| (namespace, processor));
        let rows: Vec<_> = opened.setup.namespaces.iter().flat_map(whose).collect();
        let groups: Vec<Group> = rows
            .iter()
            .map(|(namespace, processor)| opened.setup.program.group(processor, namespace))
            .collect();
        let lags = opened.transport.lag(groups.clone()).await?;
        let ledgers = opened.transport.ledgers(groups.clone()).await?;
        self.behind = lags.iter().map(Lag::records).sum();
        for (((namespace, processor), group), (_, ledger)) in rows.into_iter().zip(&groups).zip(ledgers) {
            // Where offsets have no gaps, where a group stands tells how many events it has settled.
            self.settled.push(lags.iter().filter(|lag| lag.group == *group).map(|lag| lag.next.0).sum());
            let in_flight = ledger.in_flight().unwrap_or(0);
            self.ledger.push(LedgerRow { namespace: namespace.to_string(), processor, ledger, in_flight });
        }
        Ok(())
    }

    async fn read_accounts(&mut self, opened: &Opened) -> Result<(), ReportError> {
        let ticks = opened.transport.tables().open(TopicName::new("market.ticks")).await?;
        for namespace in &opened.setup.namespaces {
            let states = opened.transport.states();
            for (key, bytes) in states.scan(opened.setup.program.group("execution", namespace)).await? {
                let counts: OrderCounts = decode_state(&key, 1, &bytes)?;
                self.orders.submitted += counts.submitted;
                self.orders.filled += counts.filled;
                self.orders.failed += counts.failed;
            }
            for (key, bytes) in states.scan(opened.setup.program.group("portfolio", namespace)).await? {
                let Some(mut account) = decode_state::<Book>(&key, 1, &bytes)?.account else { continue };
                let key = String::from_utf8_lossy(&key).into_owned();
                if let Some(price) = latest_price(&*ticks, &key)? {
                    account.mark(price);
                }
                self.accounts.push(AccountRow {
                    namespace: namespace.to_string(),
                    account: key,
                    position: account.position.quantity,
                    cash: account.cash,
                    realized_pnl: account.realized_pnl,
                    unrealized_pnl: account.unrealized_pnl(),
                    trades: account.trades,
                });
            }
        }
        self.accounts.sort();
        Ok(())
    }

    /// Everything that keeps a run that came to its end from being a success.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.imbalances();
        if self.feed.events < self.lines {
            faults.push(format!(
                "only {} of the feed's {} events are on the log",
                self.feed.events, self.lines
            ));
        }
        for (row, settled) in self.ledger.iter().zip(&self.settled) {
            // Everything is settled, so nothing is above the watermarks, and an event more or less was lost or done twice.
            if row.in_flight > 0 || !self.agrees(row.ledger.ended(), *settled) {
                faults.push(format!(
                    "{} in {} ended {} events, {} in flight, and its watermarks stand at {settled}",
                    row.processor,
                    row.namespace,
                    row.ledger.ended(),
                    row.in_flight
                ));
            }
        }
        if self.behind > 0 {
            faults.push(format!("{} events are not settled", self.behind));
        }
        faults
    }

    /// Whether as many events have ended as the watermarks say, where everything is settled.
    fn agrees(&self, ended: u64, settled: u64) -> bool {
        match self.mode {
            Mode::Embedded => ended == settled,
            // Retention and compaction leave holes in a topic, over which watermarks pass.
            Mode::Kafka => ended <= settled,
        }
    }

    /// Ledgers that don't balance, in themselves or against the log.
    pub(super) fn imbalances(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (row, settled) in self.ledger.iter().zip(&self.settled) {
            let ended = row.ledger.ended();
            if row.ledger.in_flight().is_none()
                || row.ledger.consumed != ended + row.in_flight
                || (self.mode == Mode::Embedded && ended < *settled)
            {
                faults.push(format!(
                    "the ledger of {} in {} doesn't balance: {:?}, and its watermarks stand at {settled}",
                    row.processor, row.namespace, row.ledger
                ));
            }
        }
        faults
    }

    /// The report for people, or as one JSON object.
    pub(super) fn text(&self, json: bool) -> Result<String, serde_json::Error> {
        if json { Ok(serde_json::to_string(self)? + "\n") } else { Ok(text::text(self)) }
    }
}

/// The latest price of an account's instrument; `None` if no tick of it was ever published.
fn latest_price(ticks: &dyn TableView, account: &str) -> Result<Option<Price>, ReportError> {
    let Ok(key) = account.parse::<AccountKey>() else { return Ok(None) };
    let token = key.instrument_token.to_string();
    let Some(record) = ticks.latest(token.as_bytes()) else { return Ok(None) };
    let Some(value) = &record.value else { return Ok(None) };
    match pandaflow::EventEnvelope::<MarketTick>::decode(value) {
        Ok(tick) => Ok(Some(tick.data.last_price)),
        Err(error) => Err(ReportError::Tick(token, error)),
    }
}
