//! Gates before the partitions that a producer writes to: what comes while something is under way to a partition waits for it to
//! land, and then goes together.
//!
//! librdkafka 2.12 has about one request under way to a partition, if it is idempotent; with more of the partition's records in
//! its queue its thread asks over and over, without a pause, whether they may go. That takes a core from everybody else for as
//! long as the broker takes, and one that stands still takes long.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pandaflow::Partition;
use tokio::sync::oneshot;

/// The gates of one producer.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<String, HashMap<Partition, Arc<Gate>>>>);

impl Gates {
    /// The gate of a partition of this topic, by its name on the broker.
    pub(super) fn of(&self, topic: &str, partition: Partition) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(topic).and_then(|of_topic| of_topic.get(&partition)) {
            return Arc::clone(gate);
        }
        let of_topic = gates.entry(topic.to_owned()).or_default();
        Arc::clone(of_topic.entry(partition).or_default())
    }
}

/// One partition's gate.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// Records that have passed and not landed.
    under_way: usize,
    /// How many records each of those has who wait.
    waiting: Vec<(usize, oneshot::Sender<Pass>)>,
}

/// The right to hand so many records over, each of which lands by itself then. Those that are not handed over land with it.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    records: usize,
}

impl Pass {
    /// One of them is on its way.
    pub(super) fn use_one(&mut self) {
        self.records = self.records.saturating_sub(1);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.records > 0 {
            self.gate.land(self.records);
        }
    }
}

impl Gate {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many records may pass.
    pub(super) async fn pass(self: &Arc<Self>, records: usize) -> Pass {
        let free = || Pass { gate: Arc::clone(self), records };
        let turn = {
            let mut inside = self.inside();
            if inside.under_way == 0 {
                inside.under_way = records;
                return free();
            }
            let (opened, turn) = oneshot::channel();
            inside.waiting.push((records, opened));
            turn
        };
        // An error would mean that this gate is gone.
        match turn.await {
            Ok(pass) => pass,
            Err(_) => free(),
        }
    }

    /// So many records are on the broker, or will never be.
    pub(super) fn land(self: &Arc<Self>, records: usize) {
        let mut inside = self.inside();
        inside.under_way = inside.under_way.saturating_sub(records);
        if inside.under_way > 0 {
            return;
        }
        for (records, turn) in std::mem::take(&mut inside.waiting) {
            match turn.send(Pass { gate: Arc::clone(self), records }) {
                Ok(()) => inside.under_way += records,
                // Whoever does not wait any more has nothing to pass.
                Err(mut unused) => unused.records = 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// They are handed over, and land by themselves.
    fn hand_over(mut pass: Pass) {
        while pass.records > 0 {
            pass.use_one();
        }
    }

    #[tokio::test]
    async fn what_waits_goes_together_once_all_has_landed() {
        let gate = Arc::<Gate>::default();
        hand_over(gate.pass(2).await);
        let (mut one, mut other) = (Box::pin(gate.pass(3)), Box::pin(gate.pass(4)));
        assert!(one.as_mut().now_or_never().is_none() && other.as_mut().now_or_never().is_none());
        gate.land(1);
        assert!(one.as_mut().now_or_never().is_none());
        gate.land(1);
        hand_over(one.now_or_never().unwrap());
        hand_over(other.now_or_never().unwrap());
        let mut late = Box::pin(gate.pass(1));
        gate.land(3);
        assert!(late.as_mut().now_or_never().is_none());
        gate.land(4);
        hand_over(late.now_or_never().unwrap());
    }

    #[tokio::test]
    async fn whoever_waits_no_more_or_hands_nothing_over_holds_nobody_up() {
        let gate = Arc::<Gate>::default();
        let mut first = gate.pass(3).await;
        let (mut gone, mut opened) = (Box::pin(gate.pass(5)), Box::pin(gate.pass(6)));
        assert!(gone.as_mut().now_or_never().is_none() && opened.as_mut().now_or_never().is_none());
        drop(gone);
        first.use_one();
        gate.land(1);
        drop(first);
        drop(opened);
        assert!(gate.pass(1).now_or_never().is_some());
    }

    #[test]
    fn each_partition_has_its_own() {
        let gates = Gates::default();
        let gate = gates.of("a", Partition(0));
        assert!(Arc::ptr_eq(&gate, &gates.of("a", Partition(0))));
        assert!(!Arc::ptr_eq(&gate, &gates.of("a", Partition(1))));
        assert!(!Arc::ptr_eq(&gate, &gates.of("b", Partition(0))));
    }
}
