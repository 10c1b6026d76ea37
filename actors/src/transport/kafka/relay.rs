//! The relay: publishes what settlements in a database have put into its outbox, each record once and in order. Each process has
//! one; the database lets one of them publish, and the others stand by.
//!
//! Two systems have to agree on what is published, and no transaction spans them:
//!
//! 1. Who is let publish by the database takes over a transactional name on the broker. That ends what the relay before had under
//!    way, and whatever that one still tries is refused.
//! 2. Records go in a transaction that carries a note of their places in the outbox. When it is real, so is the note.
//! 3. What is noted is taken out of the outbox before anything else is published. Whoever takes over reads the note after (1), and
//!    takes out what it says.
//!
//! So it does not matter which of the two is lost in between, or whether a relay goes on late that was thought dead.

use std::{
    sync::{Arc, Weak, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};

use futures_util::future::{BoxFuture, Either, FutureExt, select};
use pandaflow::{Group, Partition, TopicName, ports::StoreError};
use uuid::Uuid;

use super::{
    commit_note::{read_published, write_published},
    core::Core,
    desk::{Entry, NotCommitted, Request},
    failure::{closed, store_error},
    outsider::Outsider,
    record::Outbound,
    settler::outbound,
    topics::missing,
};
use crate::transport::settlement_database::{OutboxId, OutboxSession, SettlementDatabase, outbox_group};

/// Records and bytes that are published at once, at most.
const AT_ONCE: (usize, usize) = (2_000, 4 << 20);
/// How many records after some were not published: few enough to be sent one by one, in search of one that is refused.
const AFTER_TROUBLE: usize = 100;
/// The shortest and the longest wait before an empty outbox is looked at again. Settlements of this process ring a bell; those of
/// others are found by looking.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
/// How often who stands by, or had trouble, tries again, and who waits for the broker says to the database that it lives.
const STAND_BY: Duration = Duration::from_millis(500);
/// The one partition beside which the note stands.
const NOTED_AT: Partition = Partition(0);

/// Works until the transport is gone, or is closed and nothing waits any more.
pub(super) async fn run(core: Weak<Core>, database: Arc<dyn SettlementDatabase>) {
    let mut session = None;
    let mut at_once = AT_ONCE.0;
    let mut look = LOOK.0;
    let mut troubled = false;
    loop {
        let Some(core) = core.upgrade() else { return };
        let closing = core.closing.load(Ordering::Acquire);
        let wait = match turn(&core, &database, &mut session, at_once).await {
            Ok(Turn::Published) => {
                at_once = (at_once * 2).min(AT_ONCE.0);
                look = LOOK.0;
                troubled = false;
                Duration::ZERO
            }
            Ok(_) if closing => return,
            Ok(Turn::Empty) => {
                look = (look * 2).min(LOOK.1);
                look
            }
            Ok(Turn::StandsBy) => STAND_BY,
            Err(error) => {
                // Whoever begins anew finds out from the note what became real.
                session = None;
                if closing {
                    log::warn!("kafka: what waits in the outbox is published in another life: {error}");
                    return;
                }
                if !std::mem::replace(&mut troubled, true) {
                    log::warn!("kafka: publishing from the outbox: {error}: trying again");
                }
                at_once = AFTER_TROUBLE;
                STAND_BY
            }
        };
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

/// A session, and what it publishes by if it is the one that does.
struct Session {
    session: Box<dyn OutboxSession>,
    leading: Option<Leading>,
}

struct Leading {
    outbox: Uuid,
    publisher: Arc<Outsider>,
    /// Is real on the broker, and not yet taken out of the outbox.
    published: Vec<OutboxId>,
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
    at_once: usize,
) -> Result<Turn, StoreError> {
    let Session { session, leading } = match session {
        Some(session) => session,
        None => session.insert(Session { session: database.outbox().open().await?, leading: None }),
    };
    let leading = match leading {
        // For as long as its session lives, and nobody has taken over on the broker.
        Some(leading) => leading,
        None => match session.leads().await? {
            Some(outbox) => leading.insert(take_over(core, session.as_mut(), outbox).await?),
            None => return Ok(Turn::StandsBy),
        },
    };
    if !leading.published.is_empty() {
        session.published(leading.published.clone()).await?;
        leading.published.clear();
    }
    let next = session.next(at_once, AT_ONCE.1).await?;
    if next.is_empty() {
        return Ok(Turn::Empty);
    }
    let mut ids: Vec<OutboxId> = next.iter().map(|(id, _)| *id).collect();
    let (note, noted) = write_published(leading.outbox, &ids);
    ids.truncate(noted);
    let mut records = Vec::with_capacity(noted);
    for (_, output) in next.into_iter().take(noted) {
        if core.topics.known(&output.topic).is_none() {
            let (asking, topic) = (Arc::clone(core), output.topic.clone());
            let partitions = core.background.ask(move || asking.topics.partitions(&topic)).await?;
            partitions.ok_or_else(|| missing(&output.topic))?;
        }
        records.push(outbound(core, &output)?);
    }
    let topics: Vec<Arc<str>> = records.iter().map(|record| Arc::clone(&record.topic)).collect();
    let published = publish(core, &leading.publisher, records, note);
    if let Err(error) = while_alive(session.as_mut(), published).await {
        // One of them, or that of the note, may be gone or made anew: the next try asks.
        let of_records = topics.iter().filter_map(|topic| core.names.read(topic));
        of_records.chain([noted_in(core)]).for_each(|topic| core.topics.forget(&topic));
        return Err(error);
    }
    leading.published = ids;
    Ok(Turn::Published)
}

/// Ends on the broker what the relay before had under way, and reads what became real of it.
async fn take_over(
    core: &Arc<Core>,
    session: &mut dyn OutboxSession,
    outbox: Uuid,
) -> Result<Leading, StoreError> {
    let taking = Arc::clone(core);
    let taken = async move {
        let topic = taking.changelog_for(&outbox_group(&taking.config.group_prefix), NOTED_AT.0, 1).await?;
        // Outboxes in several databases or schemas have nothing to do with each other.
        let group = outbox_group(&taking.config.group_prefix);
        let group = Group::from(format!("{group}.{}", outbox.simple()).as_str());
        let asking = Arc::clone(&taking);
        let taken = move || asking.publishing(&group, NOTED_AT, Duration::ZERO, &topic)?.take_over();
        taking.background.ask(taken).await
    };
    let (publisher, note) = while_alive(session, taken.boxed()).await?;
    Ok(Leading { outbox, publisher, published: read_published(outbox, &note) })
}

/// The topic beside which the note stands; it holds no records.
fn noted_in(core: &Core) -> TopicName {
    core.names.changelog(&outbox_group(&core.config.group_prefix))
}

/// Makes records and their note real.
fn publish(
    core: &Core,
    publisher: &Outsider,
    records: Vec<Outbound>,
    note: String,
) -> BoxFuture<'static, Result<(), StoreError>> {
    let topic = core.names.topic(&noted_in(core));
    let noted = Entry { topic, partition: NOTED_AT.0.cast_signed(), offset: 0, note };
    let events = records.len() as u64;
    // Nothing takes it away but the broker.
    let held = Arc::new(AtomicBool::new(true));
    let answer = publisher.hand_in(Request { records, entries: vec![noted], events, held });
    let why = |not_committed| match not_committed {
        NotCommitted::Fenced(why) | NotCommitted::Retry(why) => store_error(why),
        NotCommitted::Unfit(refusals) => {
            let said = refusals.iter().map(|refusal| format!("{:?}: {}", refusal.record, refusal.why));
            store_error(format!("records are refused: {}", said.collect::<Vec<_>>().join(", ")))
        }
    };
    async move { answer.await.map_err(|_| closed())?.map_err(why) }.boxed()
}

/// Waits for the broker, and lets the database hear meanwhile that we live.
///
/// If the session is lost, another takes over; what is under way here becomes real before that, or not at all.
async fn while_alive<T>(
    session: &mut dyn OutboxSession,
    mut waited_for: BoxFuture<'_, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut alive = true;
    loop {
        match select(waited_for, Box::pin(tokio::time::sleep(STAND_BY))).await {
            Either::Left((outcome, _)) => return outcome,
            Either::Right(((), waits)) => waited_for = waits,
        }
        alive = alive && session.leads().await.is_ok();
    }
}
