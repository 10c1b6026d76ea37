//! Sends records of settlements, and finds out what it means if the broker doesn't take them: try again, ask for the topic anew,
//! or give one of them up.

use pandaflow::ports::{SettleErrorKind, StoreError};

use super::{
    core::Core,
    failure::store_error,
    producer::{NotSent, NotSentKind},
    record::Outbound,
};

/// Why a settlement is not real.
pub(super) type Why = (SettleErrorKind, StoreError);

/// Sends records in their order and waits until the broker has all of them; `again` makes the same once more.
///
/// The broker refuses a batch for one record in it, and doesn't say which: then each is sent by itself. One that is refused
/// so will never be taken, and the settlement with it is refused, unless it is a dead letter, which is made smaller.
pub(super) async fn send(
    core: &Core,
    records: Vec<Outbound>,
    again: impl Fn() -> Result<Vec<Outbound>, StoreError>,
) -> Result<(), Why> {
    let retry = |error| (SettleErrorKind::Retry, error);
    if records.is_empty() {
        return Ok(());
    }
    match core.producer.send(records.into_iter()).await {
        Err(NotSent { kind: NotSentKind::Unfit, .. }) => {}
        sent => return sent.map_err(|not_sent| told(core, not_sent)),
    }
    let mut refused = None;
    for record in again().map_err(retry)? {
        let (facts, size) = (record.without_headers(), record.size());
        match core.producer.send(std::iter::once(record)).await {
            Ok(()) => {}
            Err(NotSent { kind: NotSentKind::Unfit, why, .. }) => {
                // To its end, so that all of them are known and none costs a try of its own.
                let why = unfit(core, &facts, size, &why);
                if refused.as_ref().is_none_or(|(kind, _)| *kind != SettleErrorKind::Refused) {
                    refused = Some(why);
                }
            }
            Err(not_sent) => return Err(told(core, not_sent)),
        }
    }
    refused.map_or(Ok(()), Err)
}

/// What it means that records are not on the broker.
pub(super) fn told(core: &Core, NotSent { kind, topic, why }: NotSent) -> Why {
    if kind == NotSentKind::NoPlace
        && let Some(topic) = core.names.read(&topic)
    {
        // Somebody has deleted it, or made it anew: the next try asks, and makes it if it is ours.
        core.topics.forget(&topic);
    }
    (SettleErrorKind::Retry, store_error(format!("records were not confirmed: {topic}: {why}")))
}

fn unfit(core: &Core, record: &Outbound, size: usize, why: &str) -> Why {
    core.unfit.remember(record, size);
    let of_dead_letters =
        core.names.read(&record.topic).is_some_and(|topic| core.names.holds_dead_letters(&topic));
    let kind = if of_dead_letters { SettleErrorKind::Retry } else { SettleErrorKind::Refused };
    let topic = &record.topic;
    let partition = record.partition;
    (kind, store_error(format!("{topic}[{partition}] doesn't take a record of {size} bytes: {why}")))
}
