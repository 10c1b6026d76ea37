//! What topics and groups are called on the broker.

use pandaflow::{Group, TopicName};

/// Behind the name of a topic: the topic of its dead letters.
const DEAD_LETTERS: &str = ".dlq";
/// Behind the name of a group: the topic of its state.
const CHANGELOG: &str = ".changelog";

/// Makes and reads names on the broker.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    pub(super) fn topic(&self, topic: &TopicName) -> String {
        format!("{}{topic}", self.prefix)
    }

    pub(super) fn group(&self, group: &Group) -> String {
        format!("{}{group}", self.prefix)
    }

    /// Where a group's state is kept.
    pub(super) fn changelog(&self, group: &Group) -> TopicName {
        TopicName::new(&format!("{group}{CHANGELOG}"))
    }

    /// Where dead letters of a topic go.
    pub(super) fn dead_letters(&self, topic: &TopicName) -> TopicName {
        TopicName::new(&format!("{topic}{DEAD_LETTERS}"))
    }

    /// The topic that is called so on the broker, if it is one of ours.
    pub(super) fn read(&self, on_broker: &str) -> Option<TopicName> {
        on_broker.strip_prefix(&self.prefix).map(TopicName::new)
    }

    /// Whether dead letters lie in it.
    pub(super) fn holds_dead_letters(&self, topic: &TopicName) -> bool {
        topic.ends_with(DEAD_LETTERS)
    }
}
