//! Topics: their names, and what they are made with.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use crate::Namespace;

/// The full name of a topic, namespace included: `paper.signals.raw`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// A name as it is on the wire.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The topic that `declared` names for a processor in `namespace`: topics of a shared domain keep their
    /// name, all others stand below the namespace.
    #[must_use]
    pub fn resolve(declared: &str, namespace: &Namespace, shared_domains: &[String]) -> Self {
        let domain = declared.split('.').next().unwrap_or(declared);
        if shared_domains.iter().any(|shared| shared == domain) {
            Self::new(declared)
        } else {
            Self(format!("{namespace}.{declared}").into())
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for TopicName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a topic is made with, under its declared name (without the namespace).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// The declared name: `signals.raw`.
    pub name: String,
    /// How many partitions it has; all inputs of one processor must have as many.
    pub partitions: u32,
    /// How long a record is kept at least, once every group has read it.
    pub retention: Duration,
}

impl TopicSpec {
    /// Partitions of a topic that nobody described.
    pub const DEFAULT_PARTITIONS: u32 = 6;
    /// Retention of a topic that nobody described: seven days.
    pub const DEFAULT_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

    /// A topic with the default of 6 partitions and 7 days.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), partitions: Self::DEFAULT_PARTITIONS, retention: Self::DEFAULT_RETENTION }
    }

    /// The same topic with as many partitions.
    #[must_use]
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// The same topic, its records kept as long.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }
}
