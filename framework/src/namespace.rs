//! Namespaces: the wall between one account's world and another's.

use std::{fmt, str::FromStr, sync::Arc};

/// A namespace, such as `paper`: lower-case letters, digits and `-`, beginning with a letter. A processor
/// runs in exactly one and can't write into another. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

/// A name that can't be a namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} can't be a namespace: write 1 to 32 lower-case letters, digits or '-', beginning with a letter, for example paper"
)]
pub struct NamespaceError {
    name: String,
}

impl Namespace {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    fn from_str(name: &str) -> Result<Self, NamespaceError> {
        let fits = name.len() <= 32
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(name.into())) } else { Err(NamespaceError { name: name.into() }) }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
