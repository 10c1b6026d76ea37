//! Settling in a database in place of the brokers (`KafkaConfig::settle_in`): what a new owner finds there, what its settler
//! hands over, and how far groups have come. The group's offsets are committed as well, afterwards and as well as it goes, for
//! other tools to see.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use pandaflow::{
    Epoch, Group, Offset, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{
        Applied, AttemptChange, Lag, Owner, ParkChange, ParkedEvent, SettleErrorKind, Settlement,
        StateChange, StoreError, Transaction,
    },
};
use rdkafka::TopicPartitionList;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    acquire::{Found, Purpose, Search, look},
    core::Core,
    desk::{Entry, Request},
    lag,
    owners::Life,
    restore::restore,
    settler::add_progress,
};
use crate::transport::settlement_database::{Acquisition, SettlementDatabase};

/// How long the end of an owner waits for its last commit of offsets.
const LAST_COMMIT: Duration = Duration::from_secs(1);

/// Looks partitions of a group up, and makes their new owners in the database. `committed` asks for what the group has
/// committed on the broker.
pub(super) async fn find<C>(
    core: &Arc<Core>,
    database: &Arc<dyn SettlementDatabase>,
    committed: C,
    search: Search,
) -> Result<Vec<Found>, StoreError>
where
    C: FnOnce(TopicPartitionList) -> Result<TopicPartitionList, StoreError> + Send + 'static,
{
    let (asking, asked) = (Arc::clone(core), search.clone());
    let mut all = core.background.ask(move || look(&asking, committed, &asked)).await?;
    let Search { group, topics, .. } = &search;
    for found in &mut all {
        let acquisition = Acquisition {
            group: group.clone(),
            partition: found.partition,
            topics: topics.clone(),
            at_least: core.owners.next_epoch(found.epoch.0),
        };
        let held = database.acquire(acquisition).await?;
        let epoch = held.acquired.owner.epoch;
        if !held.settled_before && adopt(core, database, &search, found, epoch).await? {
            continue;
        }
        found.rewind = is_ahead(&found.progress, &held.acquired.progress);
        found.granted = Some(epoch);
        found.progress = held.acquired.progress;
        found.ledger = held.acquired.ledger;
        found.attempts = held.acquired.attempts;
        found.applied = held.acquired.applied;
        found.parked = held.acquired.parked;
    }
    if search.purpose == Purpose::Settling {
        return Ok(all);
    }
    let known: Vec<BTreeSet<TopicName>> = all.iter().map(topics_remembered).collect();
    let (asking, group) = (Arc::clone(core), search.group.clone());
    let held_against = move || {
        all.iter_mut().try_for_each(|found| found.hold_against_logs(&asking, &search.group))?;
        Ok(all)
    };
    let all = core.background.ask(held_against).await?;
    for (found, before) in all.iter().zip(known) {
        for topic in before.difference(&topics_remembered(found)) {
            database.forget_log(group.clone(), found.partition, topic.clone()).await?;
        }
    }
    Ok(all)
}

fn topics_remembered(found: &Found) -> BTreeSet<TopicName> {
    let applied = found.applied.iter().map(|applied| &applied.topic);
    applied.chain(found.parked.iter().map(|event| &event.record.topic)).cloned().collect()
}

/// Whether the group's offsets on the broker pass something that is not settled: somebody has moved them.
fn is_ahead(on_broker: &[(TopicName, Progress)], here: &[(TopicName, Progress)]) -> bool {
    on_broker.iter().zip(here).any(|((_, on_broker), (_, here))| on_broker.next > here.next)
}

/// A group that has settled on the broker until now goes on where it was, with its state. `false` if it has nothing there.
async fn adopt(
    core: &Arc<Core>,
    database: &Arc<dyn SettlementDatabase>,
    search: &Search,
    found: &mut Found,
    epoch: Epoch,
) -> Result<bool, StoreError> {
    let (group, partition) = (&search.group, found.partition);
    let (asking, one) = (Arc::clone(core), Search { partitions: vec![partition], ..search.clone() });
    let restored = core.background.ask(move || restore(&asking, &one));
    found.table = restored.await?.remove(&partition).unwrap_or_default();
    found.sum_up();
    let table = std::mem::take(&mut found.table);
    let begun = found.progress.iter().any(|(_, progress)| *progress != Progress::default());
    if !begun
        && found.ledger == Ledger::default()
        && table.states.is_empty()
        && table.attempts.is_empty()
        && table.parked.is_empty()
    {
        return Ok(false);
    }
    // With the events that are in it and not settled: the next owner must know of them as well, however soon it comes.
    let open = |applied: &(TopicName, Offset)| {
        let settled = found.progress.iter().find(|(topic, _)| *topic == applied.0);
        settled.is_none_or(|(_, progress)| applied.1 >= progress.next)
    };
    let states = table.states.into_iter().map(|(key, state)| StateChange {
        applied: state.applied.into_iter().filter(open).collect(),
        ..StateChange::new(key, state.value)
    });
    // What has gone into its key's state has only to be forgotten: it is settled, and its end alone was not written.
    let has_gone_in = |event: &&ParkedEvent| {
        let record = &event.record;
        let key = record.key.as_deref().unwrap_or_default();
        let of = |applied: &&Applied| applied.topic == record.topic && applied.key == key;
        found.applied.iter().filter(of).any(|applied| applied.last >= record.offset)
    };
    let parked = found.parked.iter().filter(|event| !has_gone_in(event));
    let settlement = Settlement {
        states: states.collect(),
        attempts: found.attempts.iter().cloned().map(AttemptChange::Failed).collect(),
        parking: parked.cloned().map(Box::new).map(ParkChange::Parked).collect(),
        progress: found.progress.clone(),
        ledger: found.ledger,
        ..Settlement::empty(Owner { group: group.clone(), partition, epoch })
    };
    database.settle(vec![settlement]).await.map_err(|error| error.source)?;
    log::info!("kafka: {group}: partition {partition} goes on in the database where it was on the broker");
    found.granted = Some(epoch);
    Ok(true)
}

/// Makes settlements of one owner real; `within` the transaction of a handler if there is one, and then there is one
/// settlement.
pub(super) async fn make_real(
    core: &Core,
    database: &Arc<dyn SettlementDatabase>,
    settlements: &[&Settlement],
    within: Option<Box<dyn Transaction>>,
) -> Result<(), (SettleErrorKind, StoreError)> {
    let settled = match (within, settlements) {
        (Some(transaction), [settlement]) => database.settle_in((*settlement).clone(), transaction).await,
        _ => database.settle(settlements.iter().map(|one| (*one).clone()).collect()).await,
    };
    settled.map_err(|error| (error.kind, error.source))?;
    if settlements.iter().any(|settlement| !settlement.outputs.is_empty()) {
        core.outbox_filled.notify_one();
    }
    Ok(())
}

/// Commits on the broker what an owner has settled in the database, always the latest, one commit at a time.
pub(super) struct Follower {
    latest: watch::Sender<Vec<Entry>>,
    task: JoinHandle<()>,
}

impl Follower {
    pub(super) fn start(core: &Core, life: &Arc<Life>) -> Self {
        let (latest, mut changed) = watch::channel(Vec::new());
        let (life, patience) = (Arc::clone(life), core.config.request_timeout * 3);
        let task = core.background.spawn(async move {
            while changed.changed().await.is_ok() {
                let entries = changed.borrow_and_update().clone();
                let held = Arc::clone(&life.held);
                let request = Request { records: Vec::new(), entries, events: 0, held };
                // It is for others to see: the next one makes up for one that failed.
                let _ = tokio::time::timeout(patience, life.hand_in(request)).await;
            }
        });
        Self { latest, task }
    }

    /// These settlements are real.
    pub(super) fn settled(&self, core: &Core, life: &Life, settlements: &[&Settlement]) {
        if settlements.iter().any(|settlement| !settlement.progress.is_empty()) {
            self.latest.send_modify(|entries| add_progress(core, &life.owner, settlements, entries));
        }
    }

    /// No more comes.
    pub(super) async fn end(self) {
        drop(self.latest);
        let _ = tokio::time::timeout(LAST_COMMIT, self.task).await;
    }
}

/// How far groups are behind: by their progress in the database, and with what waits to be published.
pub(super) async fn lag(
    core: &Arc<Core>,
    database: &Arc<dyn SettlementDatabase>,
    groups: Vec<Group>,
) -> Result<Vec<Lag>, StoreError> {
    // First of all: what is published meanwhile is counted twice then, and never not at all.
    let waiting = database.outbox().waiting().await?;
    let settled = database.settled(groups.clone()).await?;
    let mut next = BTreeMap::new();
    for here in settled {
        for (topic, progress) in here.progress {
            next.insert((here.group.clone(), topic, here.partition), progress.next);
        }
    }
    let asking = Arc::clone(core);
    let mut lags = core.background.ask(move || lag::lag(&asking, &groups, &next)).await?;
    for (topic, records) in waiting {
        let mut told: Vec<Group> = Vec::new();
        // Which partition they are for shows when they are published: they count for one of them.
        for lag in lags.iter_mut().filter(|lag| lag.topic == topic) {
            if !told.contains(&lag.group) {
                told.push(lag.group.clone());
                lag.end = Offset(lag.end.0 + records);
            }
        }
    }
    Ok(lags)
}

/// What each group has settled, over all partitions.
pub(super) async fn ledgers(
    database: &Arc<dyn SettlementDatabase>,
    groups: Vec<Group>,
) -> Result<Vec<(Group, Ledger)>, StoreError> {
    let settled = database.settled(groups.clone()).await?;
    let sum = |group: Group| {
        let here = settled.iter().filter(|here| here.group == group);
        let sum = here.fold(Ledger::default(), |sum, here| sum.plus(&here.ledger));
        (group, sum)
    };
    Ok(groups.into_iter().map(sum).collect())
}

/// Whether a settlement's owner must start over when it did not become real: its handler's transaction is gone.
pub(super) fn kind_within(carried: bool, kind: SettleErrorKind) -> SettleErrorKind {
    if carried && kind == SettleErrorKind::Retry { SettleErrorKind::StartOver } else { kind }
}
