//! The monitor: asks the transport at intervals how far each processor is behind, and tells health, and the tasks for their metrics.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pandaflow::{
    Group,
    ports::{Lag, Restored, Transport},
};
use tokio::sync::watch;

use super::board::Board;
use crate::{health::TaskKey, metrics::ServiceCount, plan::Plan, services::Services};

/// A loop on the arbiter that started it.
pub(super) struct Monitor {
    stop: watch::Sender<bool>,
}

/// What the loop works with.
struct Watch {
    transport: Arc<dyn Transport>,
    services: Services,
    board: Board,
    /// Who the groups are.
    tasks: BTreeMap<Group, TaskKey>,
}

impl Monitor {
    /// Starts the loop.
    pub(super) fn start(
        plan: &Plan,
        transport: Arc<dyn Transport>,
        services: Services,
        board: Board,
        every: Duration,
    ) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let tasks = plan.processors.iter().map(|planned| (planned.group.clone(), planned.task())).collect();
        let watch = Watch { transport, services, board, tasks };
        actix_rt::spawn(async move {
            let mut interval = tokio::time::interval(every);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = stopped.changed() => return,
                    _ = interval.tick() => watch.look().await,
                }
            }
        });
        Self { stop }
    }

    /// Ends the loop.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl Watch {
    async fn look(&self) {
        match self.transport.unpublished().await {
            Ok(None) => {}
            Ok(Some(rows)) => {
                self.services.metrics.count(ServiceCount::OutboxRows(rows));
                self.services.health.healthy("outbox");
            }
            Err(error) => self.services.health.failing("outbox", &error.to_string()),
        }
        let restored = self.transport.restored();
        if restored != Restored::default() {
            self.services.metrics.count(ServiceCount::Restored(restored));
        }
        match self.transport.lag(self.tasks.keys().cloned().collect()).await {
            Ok(lags) => {
                self.services.health.healthy("transport");
                self.tell(&lags);
            }
            Err(error) => {
                self.services.health.failing("transport", &error.to_string());
                // Nobody knows whether they move: that is no reason to take them for stuck.
                for progress in self.board.waiting_for("transport") {
                    self.services.health.progress(progress);
                }
            }
        }
    }

    fn tell(&self, lags: &[Lag]) {
        let mut behind: BTreeMap<TaskKey, u64> = BTreeMap::new();
        for lag in lags {
            if let Some(task) = self.tasks.get(&lag.group) {
                let task = TaskKey { partition: lag.partition, ..task.clone() };
                *behind.entry(task).or_default() += lag.records();
            }
        }
        for (task, lag) in behind {
            if let Some(progress) = self.board.progress(&task, lag) {
                self.services.health.progress(progress);
            }
        }
    }
}
