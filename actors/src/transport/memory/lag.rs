//! How far groups are behind.

use pandaflow::{
    Group,
    ports::{Lag, StoreError},
};

use super::core::Core;

impl Core {
    /// The lag of each group in every partition that it has ever owned, all as of one instant.
    pub(super) fn lag(&self, groups: Vec<Group>) -> Result<Vec<Lag>, StoreError> {
        let _instant = self.instant.write();
        let mut lags = Vec::new();
        for group in groups {
            for (partition, holding) in
                self.groups.get(&group).map(|group| group.holdings()).unwrap_or_default()
            {
                for (topic, progress) in &holding.lock().progress {
                    let end = self.topics.get(topic)?.log(partition).map_or(progress.next, |log| log.end());
                    lags.push(Lag {
                        group: group.clone(),
                        topic: topic.clone(),
                        partition,
                        next: progress.next,
                        end,
                    });
                }
            }
        }
        Ok(lags)
    }
}
