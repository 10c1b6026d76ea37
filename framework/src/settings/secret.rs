//! A value that is never shown.

use std::fmt;

use super::value::Value;

/// What stands in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// A secret: printed, logged or serialized it is `***`. What it holds is handed out by [`reveal`](Secret::reveal)
/// alone, so that each place that uses it is easily found.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret that holds `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What is kept secret; empty if it was not set.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Value for Secret {
    fn expected() -> String {
        "a text".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.contains(char::is_control) {
            return Err("holding a control character".into());
        }
        Ok(Self(text.to_owned()))
    }

    /// `***`, or nothing if it was not set.
    fn show(&self) -> String {
        Self::redact(&self.0)
    }

    fn redact(text: &str) -> String {
        if text.is_empty() { "" } else { HIDDEN }.to_owned()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_however_it_is_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"***\"");
        assert_eq!(secret.show(), "***");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
