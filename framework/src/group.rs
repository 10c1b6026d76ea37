//! Consumer groups: under which name a processor's progress, state and dedup marks are kept.

use std::{fmt, sync::Arc};

use crate::Namespace;

/// The name of a consumer group: `{prefix}.{namespace}.{processor}`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(Arc<str>);

impl Group {
    /// The prefix that is used where none is set.
    pub const DEFAULT_PREFIX: &str = "pandaflow";

    /// The group of a processor in a namespace.
    #[must_use]
    pub fn new(prefix: &str, namespace: &Namespace, processor: &str) -> Self {
        Self(format!("{prefix}.{namespace}.{processor}").into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Group {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
