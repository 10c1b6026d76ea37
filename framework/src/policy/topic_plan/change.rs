//! What has to change, and what is refused and why, each as a sentence.

use std::{fmt, time::Duration};

use super::{Cleanup, Purpose, WantedTopic};
use crate::{TopicName, settings::Value};

/// A change of the broker's topics by which nothing is lost and no key moves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A topic is missing.
    Create(WantedTopic),
    /// Records have to be kept longer; `None` is for ever.
    RaiseRetention {
        /// The topic.
        topic: TopicName,
        /// How long they are kept.
        from: Option<Duration>,
        /// How long they are to be.
        to: Option<Duration>,
    },
    /// Records go for want of room before their retention is over.
    LiftSizeLimit {
        /// The topic.
        topic: TopicName,
        /// The limit of a partition.
        bytes: u64,
    },
    /// The latest record of a key has to stay.
    Compact {
        /// The topic.
        topic: TopicName,
        /// How old records go now.
        from: Cleanup,
        /// How long a record stays even if there is a later one of its key; `Duration::MAX` for ever.
        lag: Duration,
    },
    /// Where it is compacted, records have to stay longer though there are later ones of their keys.
    RaiseCompactionLag {
        /// The topic.
        topic: TopicName,
        /// How long they stay.
        from: Duration,
        /// How long they are to.
        to: Duration,
    },
    /// Larger records have to fit.
    RaiseRecordLimit {
        /// The topic.
        topic: TopicName,
        /// How many bytes one may have.
        from: u64,
        /// How many it is to.
        to: u64,
    },
    /// More partitions, where nobody counts on a key's.
    AddPartitions {
        /// The topic.
        topic: TopicName,
        /// How many there are.
        from: u32,
        /// How many there are to be.
        to: u32,
    },
}

impl Change {
    /// The topic that is changed or made.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        match self {
            Self::Create(wanted) => &wanted.name,
            Self::RaiseRetention { topic, .. }
            | Self::LiftSizeLimit { topic, .. }
            | Self::Compact { topic, .. }
            | Self::RaiseCompactionLag { topic, .. }
            | Self::RaiseRecordLimit { topic, .. }
            | Self::AddPartitions { topic, .. } => topic,
        }
    }
}

/// A retention as people write it.
fn kept(retention: Option<Duration>) -> String {
    match retention {
        None | Some(Duration::MAX) => "for ever".into(),
        Some(retention) => retention.show(),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(topic) => {
                let partitions = topic.partitions;
                write!(
                    f,
                    "create: {}, {partitions} partition{}, ",
                    topic.purpose,
                    if partitions == 1 { "" } else { "s" }
                )?;
                match topic.purpose.cleanup() {
                    Cleanup::Delete => write!(f, "kept {}", kept(topic.retention)),
                    _ if topic.purpose == Purpose::Table => {
                        write!(f, "compacted after {}", kept(topic.retention))
                    }
                    _ => f.write_str("compacted"),
                }
            }
            Self::RaiseRetention { from, to, .. } => {
                write!(f, "raise retention.ms: records are kept {}, and are to be {}", kept(*from), kept(*to))
            }
            Self::LiftSizeLimit { bytes, .. } => write!(
                f,
                "lift retention.bytes: beyond {bytes} bytes of a partition records go before their time"
            ),
            Self::Compact { from, lag, .. } => {
                write!(
                    f,
                    "set cleanup.policy to compact: by {from} the latest record of a key goes once it is old"
                )?;
                if *lag > Duration::ZERO {
                    write!(f, " (and min.compaction.lag.ms: others stay {})", kept(Some(*lag)))?;
                }
                Ok(())
            }
            Self::RaiseCompactionLag { from, to, .. } => write!(
                f,
                "raise min.compaction.lag.ms: records with a later one of their key stay {}, and are to stay {}",
                kept(Some(*from)),
                kept(Some(*to))
            ),
            Self::RaiseRecordLimit { from, to, .. } => {
                write!(
                    f,
                    "raise max.message.bytes: a record may have {from} bytes, and is to have up to {to}"
                )
            }
            Self::AddPartitions { from, to, .. } => write!(f, "add partitions: from {from} to {to}"),
        }
    }
}

/// A difference that is not mended, because something could be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The topic.
    pub topic: TopicName,
    /// What differs, why it is not mended, and what a person can do.
    pub reason: RefusalReason,
}

/// Why a difference is not mended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// More partitions would move keys.
    KeysWouldMove {
        /// How many there are.
        from: u32,
        /// How many are declared.
        to: u32,
    },
    /// Partitions can't be taken away.
    TooManyPartitions {
        /// How many there are.
        from: u32,
        /// How many are declared.
        to: u32,
    },
    /// Its records go when a later one of their key comes, and are to be kept for a time instead.
    Compacted {
        /// How long a record is to be kept; `None` for ever.
        retention: Option<Duration>,
    },
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeysWouldMove { from, to } => write!(
                f,
                "has {from} partitions and {to} are declared; more would move keys to other partitions, away from their \
                 state and out of their order. Declare {from}, or make a topic with another name and {to} partitions and \
                 copy the events there"
            ),
            Self::TooManyPartitions { from, to } => write!(
                f,
                "has {from} partitions and {to} are declared; a partition can't be taken away, and with its records it \
                 would take keys. Declare {from}, or make a topic with another name and {to} partitions and copy the \
                 events there"
            ),
            Self::Compacted { retention } => write!(
                f,
                "is compacted: an event goes as soon as a later one of its key comes, read or not. With \
                 cleanup.policy=delete all that is older than {} would go at once, which is yours to decide: set it by \
                 hand, or declare another topic",
                kept(*retention)
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.topic, self.reason)
    }
}
