//! The settlement port: hands settlements to the settler of their owner.

use std::sync::{Arc, atomic::Ordering};

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    Group, Guarantee, Outgoing, Partition, Record, TopicName,
    ports::{
        Acquired, Owner, SettleErrorKind, Settlement, SettlementStore, StateChange, StoreError, Transaction,
        Unsettled,
    },
};
use tokio::sync::oneshot;

use super::{
    acquire::{Purpose, Search, look_up},
    changelog::state_key,
    core::Core,
    failure::store_error,
    owners::{Committer, Former},
    parked::fits,
    settler::{Job, check, check_state, unsettled},
};

/// Settlements of one owner whose outputs go out before its next commit is made: so many that none waits for that one at low
/// rates, and so few that they are large at high ones.
const OUTPUTS_AT_ONCE: usize = 8;

/// [`SettlementStore`] on Kafka.
pub(super) struct KafkaSettlement(pub(super) Arc<Core>);

impl SettlementStore for KafkaSettlement {
    /// For those who are no members of the group, such as publishers, under the transport's own guarantee. At least once,
    /// owners in this process are fenced, and a broker takes their commits only while the group has no members; exactly
    /// once, owners in any process are fenced.
    fn acquire(
        &self,
        group: Group,
        partition: Partition,
        topics: Vec<TopicName>,
    ) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        let core = Arc::clone(&self.0);
        let acquired = self.0.background.spawn(async move {
            Former::wait_for([core.owners.take(&group, partition)]).await;
            let (asking, name) = (Arc::clone(&core), group.clone());
            let outsider = core.background.ask(move || asking.committing(&name, partition)).await?;
            let asked = Arc::clone(&outsider);
            let committed = move |list| asked.committed(list);
            let search = Search {
                group: group.clone(),
                partitions: vec![partition],
                topics,
                purpose: Purpose::Settling,
                marks: false,
                wanted: Arc::new(|_| true),
            };
            let mut found = look_up(&core, committed, search).await?;
            let found = found.pop().ok_or_else(|| store_error("nothing was found of a partition"))?;
            let guarantee = core.config.guarantee;
            Ok(core.owners.begin(&core, &group, found, guarantee, Committer::Outsider(outsider)))
        });
        async move { acquired.await.unwrap_or_else(|error| Err(store_error(error.to_string()))) }.boxed()
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        self.hand_over(settlement, None)
    }

    fn settle_in(
        &self,
        settlement: Settlement,
        transaction: Box<dyn Transaction>,
    ) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        self.hand_over(settlement, Some(transaction))
    }

    fn fits_parking(&self, record: &Record) -> bool {
        fits(&self.0, record)
    }

    /// Over the limits, or refused before.
    fn unfit(&self, owner: &Owner, outputs: &[Outgoing], states: &[StateChange]) -> Option<StoreError> {
        let core = &self.0;
        let changelog = core.names.topic(&core.names.changelog(&owner.group));
        let refused = |topic: &str, key: Option<&[u8]>, value: Option<&[u8]>| {
            let known = core.unfit.knows(topic, key, value);
            known.then(|| store_error(format!("{topic} has refused this record before")))
        };
        let output = |output: &Outgoing| {
            let topic = core.names.topic(&output.topic);
            let refused = || refused(&topic, output.key.as_deref(), output.value.as_deref());
            check(core, output).err().or_else(refused)
        };
        let state = |change: &StateChange| {
            let key = state_key(&change.key);
            let refused = || refused(&changelog, Some(&key[..]), change.value.as_deref());
            check_state(core, change).err().or_else(refused)
        };
        outputs.iter().find_map(output).or_else(|| states.iter().find_map(state))
    }

    fn at_once(&self) -> usize {
        let config = &self.0.config;
        let in_turn = config.settle_in.is_some() || config.guarantee == Guarantee::ExactlyOnce;
        if in_turn { 2 } else { OUTPUTS_AT_ONCE }
    }

    fn asks_for_applied(&self) -> bool {
        self.0.config.settle_in.is_none()
    }
}

impl KafkaSettlement {
    fn hand_over(
        &self,
        settlement: Settlement,
        within: Option<Box<dyn Transaction>>,
    ) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        let owner = &settlement.owner;
        let seat = self.0.owners.seat(&owner.group, owner.partition);
        let Some(seat) = seat.filter(|seat| seat.life.owner.epoch == owner.epoch) else {
            let who = format!("{} partition {} epoch {}", owner.group, owner.partition, owner.epoch);
            let why = store_error(format!("{who}: another has the partition by now, or none"));
            return std::future::ready(Err(unsettled(settlement, SettleErrorKind::Fenced, why))).boxed();
        };
        let (reply, answer) = oneshot::channel();
        // A settler that has ended drops the job, which answers then.
        let _ = seat.jobs.send(Job::new(settlement, within, reply));
        let life = Arc::clone(&seat.life);
        drop(seat);
        async move {
            let answer = answer.await.expect("a job answers, if only when it is dropped");
            if answer.as_ref().is_err_and(|refused| refused.error.kind == SettleErrorKind::Refused) {
                life.refused.store(false, Ordering::Release);
            }
            answer
        }
        .boxed()
    }
}
