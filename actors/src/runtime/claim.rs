//! Claims of events, where a processor handles each once.

use std::time::Duration;

use pandaflow::{
    EventId, StreamProcessor, Timestamp,
    ports::{Claim, Verdict},
};

use super::{
    delivery::Delivery,
    env::{Draining, Env},
};

/// The first and the longest wait before a claim that somebody holds is tried again.
const LEASE_BACKOFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// A claim of these events by this task.
pub(crate) fn claim_of<P: StreamProcessor>(env: &Env<P>, ids: Vec<EventId>) -> Claim {
    Claim { owner: env.owner.clone(), ids, now: env.clock.now(), lease: env.lease }
}

/// Waits for the end of another owner's lease; whether the event is ours to handle then.
pub(crate) async fn lease_ends<P: StreamProcessor>(
    env: &Env<P>,
    delivery: &Delivery,
    mut until: Timestamp,
) -> Result<bool, Draining> {
    let mut wait = LEASE_BACKOFF.0;
    loop {
        // Whoever holds the lease is seldom at it until its end.
        env.wait(until.since(env.clock.now()).clamp(LEASE_BACKOFF.0, wait)).await?;
        wait = (wait * 2).min(LEASE_BACKOFF.1);
        let claim = || env.dedup.claim(claim_of(env, delivery.claimed.into_iter().collect()));
        match env.ask("dedup", claim).await?.first() {
            Some(Verdict::Fresh) | None => return Ok(true),
            Some(Verdict::Done) => return Ok(false),
            Some(Verdict::Leased { until: later }) => until = *later,
        }
    }
}
