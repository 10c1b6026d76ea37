//! Committing: an event whose handler took part in a transaction is settled by itself, within that transaction.
//!
//! Its lane waits until that is done: the next event of its key would not see what is not committed.

use pandaflow::{Effects, StreamProcessor, ports::Transaction};

use super::Task;
use crate::runtime::{delivery::Delivery, lanes::LaneNo};

/// An event that has ended, but for its transaction.
pub(super) struct Committing<P: StreamProcessor> {
    pub(super) lane: LaneNo,
    /// The user's struct.
    pub(super) processor: Option<Box<P>>,
    pub(super) delivery: Delivery,
    pub(super) effects: Effects<P::State>,
    pub(super) transaction: Box<dyn Transaction>,
}

impl<P: StreamProcessor> Task<P> {
    /// Hands the next such event over, once all that ended before is settled. What does not become real is rolled back, and the
    /// task starts over: an event can't be settled again without its transaction.
    pub(super) fn commit_next(&mut self) {
        let waits = !self.settling.is_empty() || !self.retry_is_empty() || !self.open.is_empty();
        if waits || self.fenced || self.barred || self.failure.is_some() {
            return;
        }
        let Some(committing) = self.committing.pop_front() else { return };
        let Committing { lane, processor, delivery, effects, transaction } = *committing;
        self.succeeded(delivery, effects);
        if let Some((number, settlement)) = self.close() {
            if let Some(under) = self.under.get_mut(&number) {
                under.lane = Some((lane, processor));
            }
            let settled = self.settlement.settle_in(settlement, transaction);
            self.hand_over(number, settled);
        }
    }
}
