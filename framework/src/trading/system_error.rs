//! Something that went wrong outside the handling of any one event: told to whoever watches.

use std::collections::BTreeMap;

use crate::Event;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{instant_text, text::Text};

/// A failure of a part of the system. Key: the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "system_error", version = 1, key = "{component}")]
pub struct SystemError {
    /// The part that failed: `market-feed`.
    pub component: Text,
    /// What kind of failure it is, in a few words that don't change: `connection_lost`.
    pub error_type: Text,
    /// What happened, for a person.
    pub error_message: Text,
    /// Further facts by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// When it happened.
    #[serde(deserialize_with = "instant_text::deserialize")]
    pub timestamp: DateTime<Utc>,
}
