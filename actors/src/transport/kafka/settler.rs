//! The settler of one owner: makes its settlements real, in the order of the calls.
//!
//! At-least-once: outputs and dead letters confirmed, then state and counts of attempts, then the dedup marks, then the
//! offsets committed. A crash between any two leads to another try and never to a loss; what has gone into a state stands
//! beside it, so that the other try doesn't apply it again.

use std::sync::{Arc, atomic::Ordering};

use pandaflow::{
    Offset, Outgoing, TopicName, partition_of,
    ports::{SettleError, SettleErrorKind, Settlement, StateChange, StoreError, Unsettled},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    changelog_records::{changelog_records, covered_states},
    commit_note::{Tally, write_ranges},
    commits::{Entry, NotCommitted},
    core::Core,
    dead_letter_record::dead_letter_record,
    failure::{closed, store_error},
    owners::Life,
    record::{Outbound, unwritable_header, written_headers, written_timestamp},
    sending::{Why, send},
    topics::{missing, number},
};

/// Settlements that are made real together, at most.
const TOGETHER: usize = 32;
/// Bytes of a record beside key, value and headers, at most.
const OVERHEAD: usize = 1024;

/// A settlement that waits. Dropped without an answer, it goes back to its caller.
pub(super) struct Job(Option<(Settlement, Reply)>);

type Reply = oneshot::Sender<Result<(), Box<Unsettled>>>;

impl Job {
    pub(super) fn new(settlement: Settlement, reply: Reply) -> Self {
        Self(Some((settlement, reply)))
    }

    fn settlement(&self) -> Option<&Settlement> {
        self.0.as_ref().map(|(settlement, _)| settlement)
    }

    fn confirm(mut self) {
        if let Some((_, reply)) = self.0.take() {
            let _ = reply.send(Ok(()));
        }
    }

    pub(super) fn give_back(mut self, (kind, source): Why) {
        if let Some((settlement, reply)) = self.0.take() {
            let _ = reply.send(Err(unsettled(settlement, kind, source)));
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some((settlement, reply)) = self.0.take() {
            let _ = reply.send(Err(unsettled(settlement, SettleErrorKind::Retry, closed())));
        }
    }
}

pub(super) fn unsettled(settlement: Settlement, kind: SettleErrorKind, source: StoreError) -> Box<Unsettled> {
    Box::new(Unsettled { settlement, error: SettleError { kind, source } })
}

/// Works until nobody can hand settlements in any more.
pub(super) async fn run(core: Arc<Core>, life: Arc<Life>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    put_right(&core, &life).await;
    // The settlement that is to be tried again before any other.
    let mut failed: Option<Settlement> = None;
    // Settlements whose outputs are on the broker, though the rest of them is not real yet.
    let mut written: Vec<Settlement> = Vec::new();
    let mut waiting = Vec::new();
    while jobs.recv_many(&mut waiting, TOGETHER).await > 0 {
        let mut admitted = Vec::new();
        for job in waiting.drain(..) {
            match admit(&core, &life, &mut failed, &job).await {
                Ok(()) => admitted.push(job),
                Err(why) => {
                    if why.0 == SettleErrorKind::Refused {
                        life.refused.store(true, Ordering::Release);
                        failed = None;
                    }
                    job.give_back(why);
                }
            }
        }
        if admitted.is_empty() {
            continue;
        }
        let settlements: Vec<&Settlement> = admitted.iter().filter_map(Job::settlement).collect();
        match make_real(&core, &life, &settlements, &mut written).await {
            Ok(()) => admitted.into_iter().for_each(Job::confirm),
            Err(why) => {
                match why.0 {
                    SettleErrorKind::Fenced => life.retire(),
                    SettleErrorKind::Refused => life.refused.store(true, Ordering::Release),
                    _ => failed = settlements.first().map(|first| (*first).clone()),
                }
                admitted.into_iter().for_each(|job| job.give_back(why.clone()));
            }
        }
    }
}

/// Writes again what an earlier owner has covered up, or compaction would leave that one's word. If it can't be done now,
/// a later owner will find it.
async fn put_right(core: &Core, life: &Life) {
    if life.table().overwritten.is_empty() {
        return;
    }
    let name = core.names.topic(&core.names.changelog(&life.owner.group));
    let (records, entries) = covered_states(&name, life);
    log::warn!(
        "kafka: {}: {} states were written late by an earlier owner, or know events of another log: put right",
        who(life),
        records.len()
    );
    match core.producer.send(records.into_iter()).await {
        Ok(()) => {
            let mut table = life.table();
            entries.into_iter().for_each(|entry| table.take_in(entry));
        }
        Err(not_sent) => log::warn!("kafka: {}: {}: {}", who(life), not_sent.topic, not_sent.why),
    }
}

/// Whether it is a settlement's turn, and it can become real at all.
async fn admit(core: &Arc<Core>, life: &Life, failed: &mut Option<Settlement>, job: &Job) -> Result<(), Why> {
    let retry = |why: &str| (SettleErrorKind::Retry, store_error(why));
    held(life)?;
    let Some(settlement) = job.settlement() else { return Ok(()) };
    if life.refused.load(Ordering::Acquire) {
        return Err(retry("an earlier settlement was refused, and its owner has not read that yet"));
    }
    if failed.as_ref().is_some_and(|failed| failed != settlement) {
        return Err(retry("an earlier settlement failed and has not been tried again"));
    }
    let refused = |why: StoreError| (SettleErrorKind::Refused, why);
    let mut last: Option<&TopicName> = None;
    for output in &settlement.outputs {
        check(core, output).map_err(refused)?;
        if last == Some(&output.topic) {
            continue;
        }
        last = Some(&output.topic);
        if core.topics.known(&output.topic).is_none() {
            let (asking, topic) = (Arc::clone(core), output.topic.clone());
            let asked = core.background.ask(move || asking.topics.partitions(&topic)).await;
            match asked {
                Ok(Some(_)) => {}
                Ok(None) => return Err(refused(missing(&output.topic))),
                Err(error) => return Err((SettleErrorKind::Retry, error)),
            }
        }
    }
    for change in &settlement.states {
        check_state(core, change).map_err(refused)?;
    }
    *failed = None;
    Ok(())
}

/// Whether a change of state can be written at all.
pub(super) fn check_state(core: &Core, change: &StateChange) -> Result<(), StoreError> {
    let topics: usize = change.applied.iter().map(|(topic, _)| topic.len() + 16).sum();
    let size = change.key.len() + change.value.as_ref().map_or(0, bytes::Bytes::len) + topics + OVERHEAD;
    let limit = core.config.record_limit();
    if size > limit {
        return Err(store_error(format!("a state of {size} bytes is over the limit of {limit}")));
    }
    Ok(())
}

/// Whether an output can be written at all.
pub(super) fn check(core: &Core, output: &Outgoing) -> Result<(), StoreError> {
    let size = output.key.as_ref().map_or(0, bytes::Bytes::len)
        + output.value.as_ref().map_or(0, bytes::Bytes::len)
        + output.headers.size()
        + OVERHEAD;
    let limit = core.config.record_limit();
    if size > limit {
        let message = format!("a record of {size} bytes for {} is over the limit of {limit}", output.topic);
        return Err(store_error(message));
    }
    match unwritable_header(&output.headers) {
        None => Ok(()),
        Some(name) => Err(store_error(format!(
            "a record for {} has a header whose name is not UTF-8 without zeros: {name:?}",
            output.topic
        ))),
    }
}

fn held(life: &Life) -> Result<(), Why> {
    if life.is_held() {
        return Ok(());
    }
    Err((
        SettleErrorKind::Fenced,
        store_error(format!("{}: another has the partition by now, or none", who(life))),
    ))
}

fn who(life: &Life) -> String {
    let owner = &life.owner;
    format!("{} partition {} epoch {}", owner.group, owner.partition, owner.epoch)
}

async fn make_real(
    core: &Arc<Core>,
    life: &Life,
    settlements: &[&Settlement],
    written: &mut Vec<Settlement>,
) -> Result<(), Why> {
    // Not again, if it is the state or the commit that is tried again: somebody sees each of them.
    let known = common(settlements, written);
    write(core, life, &settlements[known..]).await?;
    let real = make_rest_real(core, life, settlements).await;
    match &real {
        Ok(()) if known == settlements.len() => drop(written.drain(..known)),
        Err((SettleErrorKind::Retry, _)) if known == settlements.len() => {}
        Err((SettleErrorKind::Retry, _)) => {
            *written = settlements.iter().map(|settlement| (*settlement).clone()).collect();
        }
        _ => written.clear(),
    }
    real
}

/// How many settlements at the front are those that were written before.
fn common(settlements: &[&Settlement], written: &[Settlement]) -> usize {
    settlements.iter().zip(written).take_while(|(settlement, written)| **settlement == *written).count()
}

/// Writes outputs and dead letters, and waits until they are confirmed.
async fn write(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    let retry = |error| (SettleErrorKind::Retry, error);
    let letters: Vec<_> = settlements.iter().flat_map(|settlement| &settlement.dead_letters).collect();
    for letter in &letters {
        let topic = core.names.dead_letters(&letter.record.topic);
        if core.topics.known(&topic).is_none() {
            let partitions = life.partitions.max(letter.record.partition.0 + 1);
            let wanted = core.dead_letter_topic(&letter.record.topic, partitions);
            core.make_topics(vec![wanted]).await.map_err(retry)?;
        }
    }
    let records = || {
        let outputs = settlements.iter().flat_map(|settlement| &settlement.outputs);
        let mut records = outputs.map(|output| outbound(core, output)).collect::<Result<Vec<_>, _>>()?;
        records.extend(letters.iter().map(|letter| dead_letter_record(core, letter)));
        Ok(records)
    };
    send(core, records).await
}

/// What comes after outputs and dead letters.
async fn make_rest_real(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    let retry = |error| (SettleErrorKind::Retry, error);
    keep_states(core, life, settlements).await?;
    let marks: Vec<_> = settlements.iter().flat_map(|settlement| settlement.marks.iter().copied()).collect();
    if !marks.is_empty() {
        held(life)?;
        core.config.dedup.mark(life.owner.clone(), marks).await.map_err(retry)?;
    }
    commit(core, life, settlements).await
}

fn outbound(core: &Core, output: &Outgoing) -> Result<Outbound, StoreError> {
    let partitions = core.topics.known(&output.topic).ok_or_else(|| missing(&output.topic))?;
    // All of them can be written: it was checked.
    let (timestamp, headers) = written_timestamp(output.timestamp, written_headers(&output.headers));
    Ok(Outbound {
        topic: core.names.topic(&output.topic),
        partition: partition_of(output.key.as_deref(), partitions),
        timestamp,
        key: output.key.clone(),
        value: output.value.clone(),
        headers,
    })
}

/// Writes state and counts of attempts, and takes them in once they are confirmed.
async fn keep_states(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    if settlements.iter().all(|settlement| settlement.states.is_empty() && settlement.attempts.is_empty()) {
        return Ok(());
    }
    let retry = |error| (SettleErrorKind::Retry, error);
    let owner = &life.owner;
    let topic = core.changelog_for(&owner.group, owner.partition.0, life.partitions).await.map_err(retry)?;
    held(life)?;
    let name = core.names.topic(&topic);
    send(core, || Ok(changelog_records(&name, life, settlements).0)).await?;
    let (_, entries) = changelog_records(&name, life, settlements);
    let mut table = life.table();
    entries.into_iter().for_each(|entry| table.take_in(entry));
    Ok(())
}

/// Commits how far the owner has come by the last of the settlements.
async fn commit(core: &Arc<Core>, life: &Life, settlements: &[&Settlement]) -> Result<(), Why> {
    let retry = |error| (SettleErrorKind::Retry, error);
    let Some(last) = settlements.last() else { return Ok(()) };
    let mut entries: Vec<Entry> = Vec::new();
    let partition = number(life.owner.partition.0);
    for (topic, progress) in settlements.iter().flat_map(|settlement| &settlement.progress) {
        let topic = core.names.topic(topic);
        let offset = i64::try_from(progress.next.0).unwrap_or(i64::MAX);
        let note = write_ranges(progress.next, &progress.above);
        entries.retain(|known| known.topic != topic);
        entries.push(Entry { topic, partition, offset, note });
    }
    if last.ledger.consumed > 0 || !entries.is_empty() {
        let owner = &life.owner;
        let topic =
            core.changelog_for(&owner.group, owner.partition.0, life.partitions).await.map_err(retry)?;
        let note = Tally { epoch: owner.epoch, ledger: last.ledger }.write();
        let offset = i64::try_from(Offset::ZERO.0).unwrap_or(0);
        entries.push(Entry { topic: core.names.topic(&topic), partition, offset, note });
    }
    if entries.is_empty() {
        return Ok(());
    }
    held(life)?;
    let answer = life.commit(entries);
    let patience = core.config.request_timeout * 3;
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(Ok(()))) => {
            let settled = |topic: &TopicName, offset| {
                let mut progress = settlements.iter().rev().flat_map(|settlement| &settlement.progress);
                let known = progress.find(|(known, _)| known == topic);
                known.is_some_and(|(_, progress)| offset < progress.next)
            };
            life.table().let_go(settled);
            Ok(())
        }
        Ok(Ok(Err(NotCommitted::Fenced(why)))) => {
            Err((SettleErrorKind::Fenced, store_error(format!("{}: {why}", who(life)))))
        }
        Ok(Ok(Err(NotCommitted::Retry(why)))) => Err(retry(store_error(why))),
        Ok(Err(_)) => Err(retry(closed())),
        Err(_) => Err(retry(store_error(format!("a commit had no answer within {patience:?}")))),
    }
}
