//! The events: deposits in envelopes of about 370 bytes, the same in every run.

use std::time::Duration;

use pandaflow::{Clock, Event, EventId, Outgoing, SystemClock, TopicName, codec::EncodeError};
use serde::{Deserialize, Serialize};

use crate::options::Work;

/// The seed of all that is drawn.
const SEED: u64 = 0x6b_6166_6b61;
/// What makes an envelope as long as those that the peers were measured with.
const MEMO: &str = "by standing order, rent of the month, flat 12b, please quote";

/// Somebody paid in.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "deposit_made", version = 1, key = "{account}")]
pub(crate) struct DepositMade {
    /// Whose account, such as `account-004711`.
    pub(crate) account: String,
    /// How much.
    pub(crate) cents: i64,
    /// How long its handler waits, in microseconds; where latency is measured, when it was to be produced, in
    /// microseconds since the begin.
    pub(crate) micros: u64,
    /// What for.
    pub(crate) memo: String,
}

/// The deposits of a run, one after the other.
pub(crate) struct Drawer {
    random: fastrand::Rng,
    topic: TopicName,
    keys: u64,
    work: Work,
    drawn: u64,
}

impl Drawer {
    pub(crate) fn new(topic: TopicName, keys: u64, work: Work) -> Self {
        Self { random: fastrand::Rng::with_seed(SEED), topic, keys: keys.max(1), work, drawn: 0 }
    }

    /// The next one, waiting as long as is drawn, or with these microseconds in its place.
    pub(crate) fn draw(&mut self, micros: Option<u64>) -> Result<Outgoing, EncodeError> {
        let whole = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let drawn = self.random.u64(whole(self.work.from)..=whole(self.work.to));
        let deposit = DepositMade {
            account: format!("account-{:06}", self.random.u64(0..self.keys)),
            cents: self.random.i64(1..100_000),
            micros: micros.unwrap_or(drawn),
            memo: MEMO.into(),
        };
        // Now, as a broker throws away what is older than it keeps.
        let ts = SystemClock.now();
        let id = EventId::of_source("bench", self.drawn, ts);
        self.drawn += 1;
        Outgoing::root(self.topic.clone(), id, ts, "bench", &deposit)
    }
}
