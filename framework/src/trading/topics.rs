//! The topics of the trading pipeline, as data: names, partitions, retention and keys.

use std::time::Duration;

/// What kind of namespace a topic stands in: real money is kept longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceKind {
    /// Paper trading.
    Paper,
    /// A broker with real money.
    Live,
}

/// What the key of a topic's records is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKey {
    /// The instrument's token.
    Instrument,
    /// The account: `strategy:instrument`.
    Account,
    /// The strategy's id.
    Strategy,
}

/// One topic of the pipeline, under its declared name (without the namespace).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradingTopic {
    /// The declared name: `signals.raw`.
    pub name: &'static str,
    /// Its partitions.
    pub partitions: u32,
    /// What its records are keyed by.
    pub key: TopicKey,
    paper_hours: u64,
    live_hours: u64,
}

impl TradingTopic {
    /// Dead letters are kept for 7 days at least.
    const DEAD_LETTER_HOURS: u64 = 7 * DAY;

    /// How long a record is kept at least.
    #[must_use]
    pub const fn retention(&self, kind: NamespaceKind) -> Duration {
        Duration::from_secs(3600 * self.hours(kind))
    }

    /// Partitions of the topic's dead letters: half as many, at least one.
    #[must_use]
    pub const fn dead_letter_partitions(&self) -> u32 {
        if self.partitions < 2 { 1 } else { self.partitions / 2 }
    }

    /// How long a dead letter of the topic is kept at least: as long as the topic's records, and 7 days.
    #[must_use]
    pub const fn dead_letter_retention(&self, kind: NamespaceKind) -> Duration {
        let hours = self.hours(kind);
        let hours = if hours > Self::DEAD_LETTER_HOURS { hours } else { Self::DEAD_LETTER_HOURS };
        Duration::from_secs(3600 * hours)
    }

    const fn hours(&self, kind: NamespaceKind) -> u64 {
        match kind {
            NamespaceKind::Paper => self.paper_hours,
            NamespaceKind::Live => self.live_hours,
        }
    }
}

const DAY: u64 = 24;

/// Ticks of all instruments; shared by all namespaces.
pub const MARKET_TICKS: TradingTopic = topic("market.ticks", 12, TopicKey::Instrument, 1, 1);
/// What strategies want done.
pub const SIGNALS_RAW: TradingTopic = topic("signals.raw", 6, TopicKey::Account, DAY, DAY);
/// What risk let through.
pub const SIGNALS_VALIDATED: TradingTopic = topic("signals.validated", 6, TopicKey::Account, DAY, DAY);
/// What risk turned down.
pub const SIGNALS_REJECTED: TradingTopic = topic("signals.rejected", 3, TopicKey::Account, DAY, DAY);
/// Orders handed over for execution.
pub const ORDERS_SUBMITTED: TradingTopic = topic("orders.submitted", 6, TopicKey::Account, 7 * DAY, 30 * DAY);
/// Orders executed.
pub const ORDERS_FILLED: TradingTopic = topic("orders.filled", 6, TopicKey::Account, 7 * DAY, 30 * DAY);
/// Orders that were not executed.
pub const ORDERS_FAILED: TradingTopic = topic("orders.failed", 6, TopicKey::Account, 7 * DAY, 30 * DAY);
/// Profit and loss.
pub const PNL_SNAPSHOTS: TradingTopic = topic("pnl.snapshots", 3, TopicKey::Strategy, 7 * DAY, 30 * DAY);

/// All topics of the pipeline.
#[must_use]
pub const fn topics() -> &'static [TradingTopic] {
    &[
        MARKET_TICKS,
        SIGNALS_RAW,
        SIGNALS_VALIDATED,
        SIGNALS_REJECTED,
        ORDERS_SUBMITTED,
        ORDERS_FILLED,
        ORDERS_FAILED,
        PNL_SNAPSHOTS,
    ]
}

const fn topic(
    name: &'static str,
    partitions: u32,
    key: TopicKey,
    paper_hours: u64,
    live_hours: u64,
) -> TradingTopic {
    TradingTopic { name, partitions, key, paper_hours, live_hours }
}
