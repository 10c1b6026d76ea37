//! Sends records of settlements, and finds out what it means if the broker doesn't take them: try again, ask for the topic anew,
//! or give one of them up.

use pandaflow::ports::{SettleErrorKind, StoreError};

use super::{
    core::Core,
    failure::store_error,
    producer::{NotSent, NotSentKind},
    record::Outbound,
    unfit::{Likeness, Refusal},
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
    let mut refusals = Vec::new();
    for sent in again().map_err(retry)? {
        let record = Likeness::of(&sent);
        match core.producer.send(std::iter::once(sent)).await {
            Ok(()) => {}
            // To its end, so that all of them are known and none costs a try of its own.
            Err(NotSent { kind: NotSentKind::Unfit, why, .. }) => refusals.push(Refusal { record, why }),
            Err(not_sent) => {
                give_up(core, &refusals);
                return Err(told(core, not_sent));
            }
        }
    }
    give_up(core, &refusals).map_or(Ok(()), Err)
}

/// Remembers what the broker will never take. With one that is no dead letter, its settlement is refused.
pub(super) fn give_up(core: &Core, refusals: &[Refusal]) -> Option<Why> {
    refusals.iter().for_each(|refusal| core.unfit.remember(&refusal.record));
    let is_letter = |refusal: &&Refusal| {
        core.names.read(&refusal.record.topic).is_some_and(|topic| core.names.holds_dead_letters(&topic))
    };
    let refused = refusals.iter().find(|refusal| !is_letter(refusal));
    let kind = if refused.is_some() { SettleErrorKind::Refused } else { SettleErrorKind::Retry };
    let Refusal { record: Likeness { topic, partition, size, .. }, why } = refused.or(refusals.first())?;
    Some((kind, store_error(format!("{topic}[{partition}] doesn't take a record of {size} bytes: {why}"))))
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
