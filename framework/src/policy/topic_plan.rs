//! The topic plan: the topics that a program wants against those that a broker has, and what has to change.
//!
//! A change is planned only if nothing can be lost by it and no key moves to another partition. Every other difference is
//! refused, with the reason and what a person can do. Topics that the program doesn't want are never touched.

mod change;
mod topic;

use std::{collections::BTreeMap, time::Duration};

pub use self::{
    change::{Change, Refusal, RefusalReason},
    topic::{Cleanup, FoundTopic, Purpose, WantedTopic},
};
use crate::TopicName;

/// What has to change so that the topics are as wanted. The order of the topics handed in changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicPlan {
    /// What can be done safely, by the topics' names.
    pub changes: Vec<Change>,
    /// What can't, by the topics' names.
    pub refusals: Vec<Refusal>,
    /// Topics that are as wanted already.
    pub settled: Vec<TopicName>,
}

impl TopicPlan {
    /// Compares the topics. A name that stands twice in a list counts as it stands last.
    #[must_use]
    pub fn new(wanted: &[WantedTopic], found: &[FoundTopic]) -> Self {
        let found: BTreeMap<_, _> = found.iter().map(|topic| (&topic.name, topic)).collect();
        let wanted: BTreeMap<_, _> = wanted.iter().map(|topic| (&topic.name, topic)).collect();
        let mut plan = Self::default();
        for (name, topic) in wanted {
            let before = plan.changes.len() + plan.refusals.len();
            match found.get(name) {
                None => plan.changes.push(Change::Create(topic.clone())),
                Some(found) => plan.compare(topic, found),
            }
            if plan.changes.len() + plan.refusals.len() == before {
                plan.settled.push(name.clone());
            }
        }
        plan
    }

    /// Whether all topics are as wanted.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.changes.is_empty() && self.refusals.is_empty()
    }

    /// The topics that are missing.
    pub fn missing(&self) -> impl Iterator<Item = &WantedTopic> {
        self.changes.iter().filter_map(|change| match change {
            Change::Create(topic) => Some(topic),
            _ => None,
        })
    }

    /// The changes of topics that are there.
    pub fn alterations(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| !matches!(change, Change::Create(_)))
    }

    fn compare(&mut self, wanted: &WantedTopic, found: &FoundTopic) {
        self.compare_partitions(wanted, found);
        if found.max_record < WantedTopic::MAX_RECORD {
            let (topic, from) = (wanted.name.clone(), found.max_record);
            self.changes.push(Change::RaiseRecordLimit { topic, from, to: WantedTopic::MAX_RECORD });
        }
        match (wanted.purpose.cleanup(), found.cleanup) {
            (Cleanup::Delete, Cleanup::Delete) => self.compare_retention(wanted, found),
            // What is not compacted before its time is kept as long as wanted.
            (Cleanup::Delete, Cleanup::Compact)
                if wanted.retention.is_some_and(|wanted| found.compaction_lag >= wanted) => {}
            // It may be meant, and what lies there beyond the retention would go at once: a person's decision.
            (Cleanup::Delete, _) => {
                self.refuse(wanted, RefusalReason::Compacted { retention: wanted.retention })
            }
            (_, Cleanup::Compact) => self.compare_lag(wanted, found),
            (_, from) => {
                // Nothing more goes for its age then, and nothing that is superseded goes earlier than now.
                let kept = found.retention.unwrap_or(Duration::MAX);
                let lag = wanted.compaction_lag().max(found.compaction_lag);
                let lag = if wanted.purpose == Purpose::Table { lag.max(kept) } else { lag };
                self.changes.push(Change::Compact { topic: wanted.name.clone(), from, lag });
            }
        }
    }

    fn compare_lag(&mut self, wanted: &WantedTopic, found: &FoundTopic) {
        let (from, to) = (found.compaction_lag, wanted.compaction_lag());
        if from < to {
            self.changes.push(Change::RaiseCompactionLag { topic: wanted.name.clone(), from, to });
        }
    }

    fn compare_partitions(&mut self, wanted: &WantedTopic, found: &FoundTopic) {
        let (from, to) = (found.partitions, wanted.partitions);
        if from < to && wanted.purpose.is_keyed() {
            self.refuse(wanted, RefusalReason::KeysWouldMove { from, to });
        } else if from < to {
            self.changes.push(Change::AddPartitions { topic: wanted.name.clone(), from, to });
        } else if from > to && wanted.purpose.is_keyed() {
            self.refuse(wanted, RefusalReason::TooManyPartitions { from, to });
        }
    }

    /// Records may lie longer than wanted, and never shorter.
    fn compare_retention(&mut self, wanted: &WantedTopic, found: &FoundTopic) {
        let topic = || wanted.name.clone();
        // `None` is for ever.
        let too_short =
            found.retention.is_some_and(|found| wanted.retention.is_none_or(|wanted| found < wanted));
        if too_short {
            let (from, to) = (found.retention, wanted.retention);
            self.changes.push(Change::RaiseRetention { topic: topic(), from, to });
        }
        if let Some(bytes) = found.retention_bytes {
            self.changes.push(Change::LiftSizeLimit { topic: topic(), bytes });
        }
    }

    fn refuse(&mut self, wanted: &WantedTopic, reason: RefusalReason) {
        self.refusals.push(Refusal { topic: wanted.name.clone(), reason });
    }
}
