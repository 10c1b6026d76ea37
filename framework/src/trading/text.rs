//! Text that must say something: the names, reasons and messages in the payloads.

use std::{fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A text that is not empty and not only white space. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

/// A text that was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an empty text; it must hold at least one character that is not white space")]
pub struct EmptyText;

impl Text {
    /// The text, if it says something.
    ///
    /// # Errors
    /// If `text` is empty or only white space.
    pub fn new(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, EmptyText> {
        if text.as_ref().trim().is_empty() { Err(EmptyText) } else { Ok(Self(text.into())) }
    }

    /// A text that the code itself holds.
    ///
    /// # Panics
    /// If `text` is empty: a mistake of the code, not of its input.
    #[must_use]
    pub fn of(text: &'static str) -> Self {
        Self::new(text).expect("the code names a text that is not empty")
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl de::Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text that is not empty")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Text::new(text).map_err(E::custom)
    }
}
