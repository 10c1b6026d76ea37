//! The topics that a program needs of a broker, made from its processors' declarations.

use pandaflow::{
    Group, TopicName,
    policy::topic_plan::{Purpose, WantedTopic},
    ports::TopicToCreate,
};

use crate::plan::{Plan, PlannedProcessor};

/// The topic that a group's state is kept in.
#[must_use]
pub fn changelog_of(group: &Group) -> TopicName {
    TopicName::new(&format!("{group}.changelog"))
}

impl Plan {
    /// The declared topics, the dead letters of each that is read, and each processor's changelog.
    pub(crate) fn wanted_topics(&self) -> Vec<WantedTopic> {
        let mut wanted: Vec<_> = self.topics.iter().map(declared).collect();
        let letters: Vec<_> = wanted
            .iter()
            .filter(|topic| self.is_read(&topic.name))
            .map(WantedTopic::dead_letters_of)
            .collect();
        wanted.extend(letters);
        wanted.extend(self.processors.iter().filter_map(|processor| self.changelog(processor)));
        wanted.sort_by(|one, other| one.name.cmp(&other.name));
        wanted
    }

    fn is_read(&self, topic: &TopicName) -> bool {
        self.processors.iter().any(|processor| processor.inputs.contains(topic))
    }

    /// As many partitions as the inputs have: one for each task.
    fn changelog(&self, processor: &PlannedProcessor) -> Option<WantedTopic> {
        let inputs = self.topics.iter().filter(|topic| processor.inputs.contains(&topic.topic));
        let partitions = inputs.map(|topic| topic.partitions).max()?;
        Some(WantedTopic {
            name: changelog_of(&processor.group),
            purpose: Purpose::Changelog,
            partitions,
            retention: None,
        })
    }
}

fn declared(topic: &TopicToCreate) -> WantedTopic {
    WantedTopic {
        name: topic.topic.clone(),
        purpose: if topic.table { Purpose::Table } else { Purpose::Events },
        partitions: topic.partitions,
        retention: Some(topic.retention),
    }
}
