//! What the books of a simulated run hold of one event.

use std::fmt;

use bytes::Bytes;
use pandaflow::{EventId, Offset, Order, Partition, Record, TopicName, policy::ledger::Outcome};
use serde::Deserialize;
use uuid::Uuid;

/// Which event, within a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventKey {
    pub(super) topic: TopicName,
    pub(super) partition: Partition,
    pub(super) offset: Offset,
}

impl EventKey {
    pub(super) fn of(record: &Record) -> Self {
        Self { topic: record.topic.clone(), partition: record.partition, offset: record.offset }
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

/// Where an event stands with the owner of its partition that there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Now {
    Waits,
    Runs,
    Failed,
    Handled,
    /// Its dead letter was taken.
    Filed,
}

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Bytes,
    pub(super) id: Option<EventId>,
    pub(super) now: Now,
    pub(super) settled: Option<Outcome>,
    /// Attempts that began and did not end well; one that was cut off may not count for the runtime.
    pub(super) failures: u32,
    /// Failed attempts that are stored.
    pub(super) kept: u32,
}

impl Entry {
    pub(super) fn of(record: &Record) -> Self {
        Self {
            key: record.key.clone().unwrap_or_default(),
            id: record.value.as_ref().and_then(|value| ids_of(value).0),
            now: Now::Waits,
            settled: None,
            failures: 0,
            kept: 0,
        }
    }

    /// Events of one lane wait for each other; `None` if nothing waits.
    pub(super) fn lane(&self, order: Order) -> Option<Bytes> {
        match order {
            Order::Key => Some(self.key.clone()),
            Order::Partition => Some(Bytes::new()),
            Order::None => None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.is_settled_for_good() || matches!(self.now, Now::Handled | Now::Filed)
    }

    /// A parked event is settled, and handled later.
    pub(super) fn is_settled_for_good(&self) -> bool {
        self.settled.is_some_and(|how| how != Outcome::Parked)
    }
}

/// The ids of an envelope: its own and its cause's.
pub(super) fn ids_of(value: &[u8]) -> (Option<EventId>, Option<EventId>) {
    #[derive(Deserialize)]
    struct Ids {
        id: Option<Uuid>,
        causation_id: Option<Uuid>,
    }
    let ids = serde_json::from_slice::<Ids>(value);
    ids.map_or((None, None), |ids| (ids.id.map(EventId), ids.causation_id.map(EventId)))
}
