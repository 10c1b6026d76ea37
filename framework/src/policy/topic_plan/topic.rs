//! A topic as a program wants it, and as a broker has it.

use std::{fmt, time::Duration};

use crate::TopicName;

/// What a topic is for, which says what may be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Events that processors read: kept for their retention; a key stays in its partition.
    Events,
    /// The latest record per key is looked up: compacted, and nothing goes before its retention is over, so that it can be
    /// read as events as well.
    Table,
    /// Events that were given up on: kept for their retention. Nobody asks for the order of a key here.
    DeadLetters,
    /// State per key, from which a processor is restored: compacted; a key stays in its partition.
    Changelog,
}

impl Purpose {
    /// How old records go.
    #[must_use]
    pub const fn cleanup(self) -> Cleanup {
        match self {
            Self::Events | Self::DeadLetters => Cleanup::Delete,
            Self::Table | Self::Changelog => Cleanup::Compact,
        }
    }

    /// Whether somebody counts on a key's partition.
    #[must_use]
    pub const fn is_keyed(self) -> bool {
        !matches!(self, Self::DeadLetters)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "events",
            Self::Table => "table",
            Self::DeadLetters => "dead letters",
            Self::Changelog => "changelog",
        })
    }
}

/// A topic as a program wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTopic {
    /// The full name.
    pub name: TopicName,
    /// What it is for.
    pub purpose: Purpose,
    /// How many partitions it has.
    pub partitions: u32,
    /// How long a record is kept at least; `None` for ever. Of no use to a changelog.
    pub retention: Option<Duration>,
}

impl WantedTopic {
    /// How many bytes a record may have at least: 16 MiB.
    pub const MAX_RECORD: u64 = 16 << 20;

    /// Dead letters are kept for seven days at least.
    pub const DEAD_LETTER_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

    /// How long a record stays, where it is compacted, even if there is a later one of its key.
    #[must_use]
    pub fn compaction_lag(&self) -> Duration {
        match self.purpose {
            Purpose::Changelog => Duration::ZERO,
            _ => self.retention.unwrap_or(Duration::MAX),
        }
    }

    /// The topic of the dead letters of `topic`: half as many partitions, at least one, and kept as long as the events,
    /// for seven days at least.
    #[must_use]
    pub fn dead_letters_of(topic: &Self) -> Self {
        Self {
            name: TopicName::new(&format!("{}.dlq", topic.name)),
            purpose: Purpose::DeadLetters,
            partitions: (topic.partitions / 2).max(1),
            retention: topic.retention.map(|retention| retention.max(Self::DEAD_LETTER_RETENTION)),
        }
    }
}

/// How old records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Once they are older than the retention.
    Delete,
    /// Once there is a later one under their key.
    Compact,
    /// Both.
    CompactAndDelete,
}

impl Cleanup {
    /// As a broker names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
            Self::CompactAndDelete => "compact,delete",
        }
    }

    /// As a broker names it, in either order; nothing is `delete` without an end.
    ///
    /// # Errors
    /// The policies that are not known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut policies: Vec<_> =
            text.split(',').map(str::trim).filter(|policy| !policy.is_empty()).collect();
        policies.sort_unstable();
        match *policies {
            ["delete"] => Ok(Self::Delete),
            ["compact"] => Ok(Self::Compact),
            ["compact", "delete"] => Ok(Self::CompactAndDelete),
            _ => Err(format!("unknown cleanup.policy {text:?}")),
        }
    }
}

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A topic as a broker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTopic {
    /// The full name.
    pub name: TopicName,
    /// How many partitions it has.
    pub partitions: u32,
    /// How old records go.
    pub cleanup: Cleanup,
    /// How long a record is kept; `None` for ever.
    pub retention: Option<Duration>,
    /// How many bytes of a partition are kept at most, however young they are; `None` for no limit.
    pub retention_bytes: Option<u64>,
    /// How long a record stays, where it is compacted, even if there is a later one of its key.
    pub compaction_lag: Duration,
    /// How many bytes a record may have at most.
    pub max_record: u64,
}
