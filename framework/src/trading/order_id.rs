//! An order's name.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::text::{EmptyText, Text};

/// The name of one order, as its broker or the paper execution gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(Text);

impl OrderId {
    /// The name, if it is one.
    ///
    /// # Errors
    /// If `name` is empty or only white space.
    pub fn new(name: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, EmptyText> {
        Text::new(name).map(Self)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<Text> for OrderId {
    fn from(name: Text) -> Self {
        Self(name)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
