//! The settler of one owner: makes its settlements real, in the order of the calls, by the owner's guarantee.

mod at_least_once;
mod commit;
mod exactly_once;
mod records;

use std::sync::{Arc, atomic::Ordering};

use pandaflow::{
    Guarantee, TopicName,
    ports::{SettleError, SettleErrorKind, Settlement, StoreError, Transaction, Unsettled},
};
use tokio::sync::{mpsc, oneshot};

use self::commit::Commits;
pub(super) use self::records::{add_progress, check, check_state, outbound};
use super::{
    changelog_records::covered_states,
    core::Core,
    failure::{closed, store_error},
    in_database::{self, Follower},
    owners::Life,
    parked::check_parked,
    sending::Why,
    topics::missing,
};

/// Settlements that are made real together, at most.
const TOGETHER: usize = 32;

const UNREAD: &str = "an earlier settlement was refused, and its owner has not read that yet";

/// A settlement that waits. Dropped without an answer, it goes back to its caller.
pub(super) struct Job {
    settlement: Option<(Settlement, Reply)>,
    /// The transaction of its handler, if it has one to be made real in.
    within: Option<Box<dyn Transaction>>,
    carries: bool,
}

type Reply = oneshot::Sender<Result<(), Box<Unsettled>>>;

impl Job {
    pub(super) fn new(settlement: Settlement, within: Option<Box<dyn Transaction>>, reply: Reply) -> Self {
        let carries = within.is_some();
        Self { settlement: Some((settlement, reply)), within, carries }
    }

    fn settlement(&self) -> Option<&Settlement> {
        self.settlement.as_ref().map(|(settlement, _)| settlement)
    }

    fn confirm(mut self) {
        if let Some((_, reply)) = self.settlement.take() {
            let _ = reply.send(Ok(()));
        }
    }

    pub(super) fn give_back(mut self, (kind, source): Why) {
        if let Some((settlement, reply)) = self.settlement.take() {
            let kind = in_database::kind_within(self.carries, kind);
            let _ = reply.send(Err(unsettled(settlement, kind, source)));
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some((settlement, reply)) = self.settlement.take() {
            let kind = in_database::kind_within(self.carries, SettleErrorKind::Retry);
            let _ = reply.send(Err(unsettled(settlement, kind, closed())));
        }
    }
}

pub(super) fn unsettled(settlement: Settlement, kind: SettleErrorKind, source: StoreError) -> Box<Unsettled> {
    Box::new(Unsettled { settlement, error: SettleError { kind, source } })
}

/// Works until nobody can hand settlements in any more, and what it has begun is over.
pub(super) async fn run(core: Arc<Core>, life: Arc<Life>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    put_right(&core, &life).await;
    let follower = core.config.settle_in.as_ref().map(|_| Follower::start(&core, &life));
    let mut settler = Settler { core, life, follower, failed: None, commits: Commits::default() };
    let mut waiting = Vec::new();
    while settler.alongside(jobs.recv_many(&mut waiting, TOGETHER)).await > 0 {
        settler.take_in(waiting.drain(..)).await;
    }
    settler.end().await;
}

struct Settler {
    core: Arc<Core>,
    life: Arc<Life>,
    follower: Option<Follower>,
    /// The settlement that is to be tried again before any other.
    failed: Option<Settlement>,
    /// At least once: what is written and not yet committed.
    commits: Commits,
}

impl Settler {
    async fn take_in(&mut self, jobs: impl Iterator<Item = Job>) {
        let mut admitted = Vec::new();
        for job in jobs {
            match admit(&self.core, &self.life, &mut self.failed, job.settlement()).await {
                Ok(()) => admitted.push(job),
                Err(why) => {
                    if why.0 == SettleErrorKind::Refused {
                        self.life.refused.store(true, Ordering::Release);
                        self.failed = None;
                    }
                    job.give_back(why);
                }
            }
        }
        let mut admitted = admitted.into_iter().peekable();
        while let Some(first) = admitted.next() {
            let mut together = vec![first];
            // One in its handler's transaction becomes real alone.
            while let Some(next) = admitted.next_if(|next| !next.carries && !together[0].carries) {
                together.push(next);
            }
            if let Err(why) = self.make_real(together).await {
                // What comes behind has to wait until it was tried again.
                admitted.by_ref().for_each(|job| job.give_back(why.clone()));
            }
        }
    }

    /// Makes the settlements of jobs real and answers them; at least once some time later, while the next ones are begun.
    async fn make_real(&mut self, mut jobs: Vec<Job>) -> Result<(), Why> {
        let within = jobs.first_mut().and_then(|job| job.within.take());
        let settlements: Vec<&Settlement> = jobs.iter().filter_map(Job::settlement).collect();
        let real = match (&self.core.config.settle_in, self.life.guarantee) {
            (Some(database), _) => in_database::make_real(&self.core, database, &settlements, within).await,
            (None, Guarantee::AtLeastOnce) => return self.write(jobs).await,
            (None, Guarantee::ExactlyOnce) => {
                exactly_once::make_real(&self.core, &self.life, &settlements).await
            }
        };
        match real {
            Ok(()) => {
                if let Some(follower) = &self.follower {
                    follower.settled(&self.core, &self.life, &settlements);
                }
                jobs.into_iter().for_each(Job::confirm);
                Ok(())
            }
            Err(why) => {
                self.not_real(jobs, &why);
                Err(why)
            }
        }
    }

    /// Gives back what did not become real.
    fn not_real(&mut self, jobs: Vec<Job>, why: &Why) {
        match why.0 {
            SettleErrorKind::Fenced => self.life.retire(),
            SettleErrorKind::Refused => self.life.refused.store(true, Ordering::Release),
            _ => self.failed = jobs.first().and_then(Job::settlement).cloned(),
        }
        jobs.into_iter().for_each(|job| job.give_back(why.clone()));
    }

    async fn end(mut self) {
        self.finish_commits().await;
        if let Some(follower) = self.follower {
            follower.end().await;
        }
    }
}

/// Writes again what an earlier owner has covered up, or compaction would leave that one's word. If it can't be done now,
/// a later owner will find it.
async fn put_right(core: &Core, life: &Life) {
    if life.table().is_right() {
        return;
    }
    let name = core.names.topic(&core.names.changelog(&life.owner.group)).into();
    let (records, entries) = covered_states(&name, life);
    log::warn!(
        "kafka: {}: {} records of the changelog are an earlier owner's, written late, or of another log: put right",
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
async fn admit(
    core: &Arc<Core>,
    life: &Life,
    failed: &mut Option<Settlement>,
    settlement: Option<&Settlement>,
) -> Result<(), Why> {
    let retry = |why: &str| (SettleErrorKind::Retry, store_error(why));
    held(life)?;
    let Some(settlement) = settlement else { return Ok(()) };
    if life.refused.load(Ordering::Acquire) {
        return Err(retry(UNREAD));
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
    for change in &settlement.parking {
        check_parked(core, change).map_err(refused)?;
    }
    *failed = None;
    Ok(())
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

fn retry(error: StoreError) -> Why {
    (SettleErrorKind::Retry, error)
}

/// What those get that come behind a settlement that did not become real.
fn behind(why: &Why) -> Why {
    match why {
        (SettleErrorKind::Refused, _) => retry(store_error(UNREAD)),
        why => why.clone(),
    }
}

/// Settlements are committed: removed states are let go of which nothing is remembered that lies above.
fn let_go(life: &Life, settlements: &[&Settlement]) {
    life.table().let_go(|topic, offset| {
        let mut progress = settlements.iter().rev().flat_map(|settlement| &settlement.progress);
        let known = progress.find(|(known, _)| known == topic);
        known.is_some_and(|(_, progress)| offset < progress.next)
    });
}
