//! The relay: publishes what settlements in a database have put into its outbox. Each process has one; the database lets one of
//! them publish, and the others stand by.
//!
//! A record is confirmed by the broker before it leaves the outbox. What was confirmed and could not be taken out is remembered,
//! so that trouble with the database publishes nothing twice. A crash between the two does, under the same id and behind all
//! that was published of its owner before, so that the next step's dedup drops it.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use futures_util::future::{Either, select};
use pandaflow::ports::StoreError;

use super::{core::Core, record::Outbound, sending::told, settler::outbound, topics::missing};
use crate::transport::settlement_database::{OutboxId, OutboxSession, SettlementDatabase};

/// Records and bytes that are published at once, at most.
const AT_ONCE: (usize, usize) = (2_000, 4 << 20);
/// The shortest and the longest wait before an empty outbox is looked at again. Settlements of this process ring a bell; those of
/// others are found by looking.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
/// How often who stands by asks whether it is needed, and who waits for the broker says that it lives.
const STAND_BY: Duration = Duration::from_millis(500);
/// How long to wait after trouble.
const TROUBLE: Duration = Duration::from_secs(1);

/// Works until the transport is gone, or is closed and nothing waits any more.
pub(super) async fn run(core: Weak<Core>, database: Arc<dyn SettlementDatabase>) {
    let mut session = None;
    let mut confirmed = Vec::new();
    let mut look = LOOK.0;
    let mut troubled = false;
    loop {
        let Some(core) = core.upgrade() else { return };
        let closing = core.closing.load(Ordering::Acquire);
        let wait = match turn(&core, &database, &mut session, &mut confirmed).await {
            Ok(Turn::Published) => {
                look = LOOK.0;
                Duration::ZERO
            }
            Ok(_) if closing => return,
            Ok(Turn::Empty) => {
                look = (look * 2).min(LOOK.1);
                look
            }
            Ok(Turn::StandsBy) => STAND_BY,
            Err(error) => {
                session = None;
                if closing {
                    log::warn!("kafka: what waits in the outbox is published in another life: {error}");
                    return;
                }
                if !std::mem::replace(&mut troubled, true) {
                    log::warn!("kafka: publishing from the outbox: {error}: trying again");
                }
                // Whoever takes over would publish what is confirmed once more.
                if confirmed.is_empty() { TROUBLE } else { LOOK.1 }
            }
        };
        troubled &= session.is_none();
        if !wait.is_zero() {
            let filled = Arc::clone(&core.outbox_filled);
            drop(core);
            let stands_by = wait == STAND_BY;
            let rung =
                async move { if stands_by { std::future::pending().await } else { filled.notified().await } };
            let _ = tokio::time::timeout(wait, rung).await;
        }
    }
}

/// A session, and whether it is the one that publishes.
struct Session {
    session: Box<dyn OutboxSession>,
    leads: bool,
}

enum Turn {
    Published,
    Empty,
    StandsBy,
}

async fn turn(
    core: &Arc<Core>,
    database: &Arc<dyn SettlementDatabase>,
    session: &mut Option<Session>,
    confirmed: &mut Vec<OutboxId>,
) -> Result<Turn, StoreError> {
    let Session { session, leads } = match session {
        Some(session) => session,
        None => session.insert(Session { session: database.outbox().open().await?, leads: false }),
    };
    if !confirmed.is_empty() {
        session.published(confirmed.clone()).await?;
        confirmed.clear();
    }
    // Whoever leads does so for as long as its session lives.
    *leads = *leads || session.leads().await?;
    if !*leads {
        return Ok(Turn::StandsBy);
    }
    let next = session.next(AT_ONCE.0, AT_ONCE.1).await?;
    if next.is_empty() {
        return Ok(Turn::Empty);
    }
    let mut records = Vec::with_capacity(next.len());
    let mut ids = Vec::with_capacity(next.len());
    for (id, output) in next {
        if core.topics.known(&output.topic).is_none() {
            let (asking, topic) = (Arc::clone(core), output.topic.clone());
            let partitions = core.background.ask(move || asking.topics.partitions(&topic)).await?;
            partitions.ok_or_else(|| missing(&output.topic))?;
        }
        records.push(outbound(core, &output)?);
        ids.push(id);
    }
    let heard = publish(core, records, session.as_mut()).await?;
    *confirmed = ids;
    *leads = heard?;
    Ok(Turn::Published)
}

/// Sends records and waits until they are confirmed. Tells whether we were let publish all the while: the database hears that we
/// live when the broker takes its time.
async fn publish(
    core: &Core,
    records: Vec<Outbound>,
    session: &mut dyn OutboxSession,
) -> Result<Result<bool, StoreError>, StoreError> {
    let mut sent = Box::pin(core.producer.send(records.into_iter()));
    let mut leads = Ok(true);
    loop {
        let pause = Box::pin(tokio::time::sleep(STAND_BY));
        match select(sent, pause).await {
            Either::Left((confirmed, _)) => {
                return match confirmed {
                    Ok(()) => Ok(leads),
                    Err(not_sent) => Err(told(core, not_sent).1),
                };
            }
            Either::Right(((), waits)) => sent = waits,
        }
        // If not, another begins with these records, too. They are on their way, and will be there.
        if matches!(leads, Ok(true)) {
            leads = session.leads().await;
        }
    }
}
