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
    waiting: Vec<(usize, oneshot::Sender<()>)>,
}

impl Gate {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many records may pass. Each of them has to [`land`](Self::land).
    pub(super) async fn pass(&self, records: usize) {
        let turn = {
            let mut inside = self.inside();
            if inside.under_way == 0 {
                inside.under_way = records;
                return;
            }
            let (opened, turn) = oneshot::channel();
            inside.waiting.push((records, opened));
            turn
        };
        // It is opened for all that wait, or gone with its producer.
        let _ = turn.await;
    }

    /// So many records are on the broker, or will never be.
    pub(super) fn land(&self, records: usize) {
        let mut inside = self.inside();
        inside.under_way = inside.under_way.saturating_sub(records);
        if inside.under_way > 0 {
            return;
        }
        for (records, turn) in std::mem::take(&mut inside.waiting) {
            // Whoever does not wait any more has nothing to pass.
            if turn.send(()).is_ok() {
                inside.under_way += records;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_waits_goes_together_once_all_has_landed() {
        let gate = Gate::default();
        gate.pass(2).await;
        let (mut one, mut other) = (Box::pin(gate.pass(3)), Box::pin(gate.pass(4)));
        assert!(one.as_mut().now_or_never().is_none() && other.as_mut().now_or_never().is_none());
        gate.land(1);
        assert!(one.as_mut().now_or_never().is_none());
        gate.land(1);
        assert!(one.as_mut().now_or_never().is_some() && other.as_mut().now_or_never().is_some());
        let mut late = Box::pin(gate.pass(1));
        gate.land(3);
        assert!(late.as_mut().now_or_never().is_none());
        gate.land(4);
        assert!(late.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn whoever_waits_no_more_holds_nobody_up() {
        let gate = Gate::default();
        gate.pass(1).await;
        let mut gone = Box::pin(gate.pass(5));
        assert!(gone.as_mut().now_or_never().is_none());
        drop(gone);
        gate.land(1);
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
