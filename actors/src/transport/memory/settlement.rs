//! The settlement store: checks first, then makes all of a settlement real, on the calling thread.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    Group, Partition, TopicName,
    ports::{
        Acquired, Owner, SettleError, SettleErrorKind, Settlement, SettlementStore, StoreError, Unsettled,
    },
};

use super::{
    STORE,
    core::{Core, ready},
    group::{GroupStore, Holding},
    log::Wake,
};

/// [`SettlementStore`] in memory.
pub(super) struct MemorySettlement(pub(super) Arc<Core>);

impl SettlementStore for MemorySettlement {
    fn acquire(
        &self,
        group: Group,
        partition: Partition,
        topics: Vec<TopicName>,
    ) -> BoxFuture<'static, Result<Acquired, StoreError>> {
        ready(Ok(self.0.acquire(group, partition, topics)))
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
        #[cfg(feature = "testkit")]
        let settlement = match self.0.hold_back(settlement) {
            Ok(settlement) => settlement,
            Err(held) => return held,
        };
        let result = self.0.settle(settlement);
        answer(&self.0, result)
    }
}

/// The answer to a settlement. Once a refusal has been read, its owner may go on.
pub(super) fn answer(
    core: &Arc<Core>,
    result: Result<(), Box<Unsettled>>,
) -> BoxFuture<'static, Result<(), Box<Unsettled>>> {
    match result {
        Err(refused) if refused.error.kind == SettleErrorKind::Refused => {
            let core = Arc::clone(core);
            async move {
                core.refusal_read(&refused.settlement.owner);
                Err(refused)
            }
            .boxed()
        }
        result => ready(result),
    }
}

impl Core {
    pub(super) fn acquire(&self, group: Group, partition: Partition, topics: Vec<TopicName>) -> Acquired {
        let _instant = self.instant.read();
        let holding = self.groups.get_or_make(&group).holding_or_make(partition);
        let mut holding = holding.lock();
        holding.acquire(group, partition, topics)
    }

    /// Makes a settlement real and delivers its outputs.
    pub(super) fn settle(&self, settlement: Settlement) -> Result<(), Box<Unsettled>> {
        let mut wake = Wake::default();
        let result = {
            let _instant = self.instant.read();
            self.settle_at_once(settlement, &mut wake)
        };
        wake.serve();
        result
    }

    fn settle_at_once(&self, settlement: Settlement, wake: &mut Wake) -> Result<(), Box<Unsettled>> {
        let group = self.groups.get(&settlement.owner.group);
        let found = group.and_then(|group| Some((group.holding(settlement.owner.partition)?, group)));
        let Some((holding, group)) = found else {
            return Err(unsettled(settlement, SettleErrorKind::Fenced, "it was never acquired"));
        };
        let mut holding = holding.lock();
        if let Err((kind, why)) = self.may_settle(&holding, &settlement) {
            match kind {
                SettleErrorKind::Retry if holding.failed.is_none() && !holding.refused => {
                    holding.failed = Some(Box::new(settlement.clone()));
                }
                SettleErrorKind::Refused => {
                    holding.refused = true;
                    holding.failed = None;
                }
                _ => {}
            }
            return Err(unsettled(settlement, kind, &why));
        }
        holding.failed = None;
        self.make_real(&mut holding, &group, settlement, wake);
        Ok(())
    }

    fn may_settle(
        &self,
        holding: &Holding,
        settlement: &Settlement,
    ) -> Result<(), (SettleErrorKind, String)> {
        if !holding.is_held_by(settlement.owner.epoch) {
            return Err((SettleErrorKind::Fenced, "the partition has another owner by now, or none".into()));
        }
        if holding.refused {
            let why = "an earlier settlement was refused, and its owner has not read that yet";
            return Err((SettleErrorKind::Retry, why.into()));
        }
        if holding.failed.as_deref().is_some_and(|failed| failed != settlement) {
            let why = "an earlier settlement failed and has not been tried again";
            return Err((SettleErrorKind::Retry, why.into()));
        }
        #[cfg(feature = "testkit")]
        if let Some(kind) = self.faults.next_settlement() {
            return Err((kind, "a fault was asked for".into()));
        }
        self.topics.check(&settlement.outputs).map_err(|missing| (SettleErrorKind::Refused, missing.message))
    }

    /// Nothing in here can fail: all was checked.
    fn make_real(&self, holding: &mut Holding, group: &GroupStore, settlement: Settlement, wake: &mut Wake) {
        if !settlement.outputs.is_empty() {
            let appended = self.topics.append(settlement.outputs, wake);
            debug_assert!(appended.is_ok(), "topics are checked before and never removed");
        }
        if !settlement.marks.is_empty() {
            group.ids.lock().mark(&settlement.marks);
        }
        if !settlement.dead_letters.is_empty() {
            self.dead_letters.lock().store(settlement.dead_letters, self.clock.now());
        }
        holding.write_states(settlement.states);
        holding.change_attempts(settlement.attempts);
        holding.change_parking(settlement.parking);
        holding.write_progress(settlement.progress);
        holding.ledger = settlement.ledger;
    }

    fn refusal_read(&self, owner: &Owner) {
        if let Some(holding) = self.groups.get(&owner.group).and_then(|group| group.holding(owner.partition))
        {
            let mut holding = holding.lock();
            if holding.is_held_by(owner.epoch) {
                holding.refused = false;
            }
        }
    }

    /// Ends the right of an owner to settle.
    pub(super) fn retire(&self, owner: &Owner) {
        let _instant = self.instant.read();
        if let Some(holding) = self.groups.get(&owner.group).and_then(|group| group.holding(owner.partition))
        {
            holding.lock().retire(owner.epoch);
        }
    }
}

fn unsettled(settlement: Settlement, kind: SettleErrorKind, why: &str) -> Box<Unsettled> {
    let owner = &settlement.owner;
    let message = format!("{} partition {} epoch {}: {why}", owner.group, owner.partition, owner.epoch);
    let error = SettleError { kind, source: StoreError { store: STORE, message } };
    Box::new(Unsettled { settlement, error })
}
