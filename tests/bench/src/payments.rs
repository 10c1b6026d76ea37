//! The events: payments in envelopes of about 300 bytes, the same in every run.

use std::time::Duration;

use pandaflow::{Event, EventId, Outgoing, Timestamp, TopicName, codec::EncodeError};
use serde::{Deserialize, Serialize};

use crate::options::Work;

/// The seed of all that is drawn.
const SEED: u64 = 0x70_616e_6461;
/// When the first event happens: 2013-10-07T13:30:00Z. The others follow a millisecond apart.
const BEGIN: i64 = 1_381_152_600_000;

/// Somebody paid.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(type = "payment_made", version = 1, key = "{account}")]
pub(crate) struct PaymentMade {
    /// Whose account, such as `account-004711`.
    pub(crate) account: String,
    /// How much.
    pub(crate) cents: i64,
    /// How long its handler waits, in microseconds.
    pub(crate) work_us: u64,
}

impl PaymentMade {
    pub(crate) fn work(&self) -> Duration {
        Duration::from_micros(self.work_us)
    }
}

/// `n` payments by `keys` accounts, keys and waits drawn at random from a fixed seed.
pub(crate) fn draw(topic: &TopicName, n: u64, keys: u64, work: Work) -> Result<Vec<Outgoing>, EncodeError> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    (0..n)
        .map(|number| {
            let payment = PaymentMade {
                account: format!("account-{:06}", random.u64(0..keys.max(1))),
                cents: random.i64(1..100_000),
                work_us: random.u64(micros(work.from)..=micros(work.to)),
            };
            let ts = Timestamp(BEGIN + i64::try_from(number).unwrap_or(i64::MAX));
            Outgoing::root(topic.clone(), EventId::of_source("bench", number, ts), ts, "bench", &payment)
        })
        .collect()
}
