//! The stored form of a key's state: JSON with the version of its schema.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// `{"version":1,"state":{..}}`, UTF-8.
#[derive(Serialize, Deserialize)]
struct Row<S> {
    version: u32,
    state: S,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// A stored state that doesn't fit, or one that can't be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the state of key {key:?} {reason}")]
pub struct StateError {
    key: String,
    reason: String,
}

impl StateError {
    fn new(key: &[u8], reason: String) -> Self {
        Self { key: String::from_utf8_lossy(key).into_owned(), reason }
    }
}

/// Writes a state.
pub(crate) fn encode<S: Serialize>(key: &[u8], version: u32, state: &S) -> Result<Bytes, StateError> {
    serde_json::to_vec(&Row { version, state })
        .map(Bytes::from)
        .map_err(|error| StateError::new(key, format!("can't be written: {error}")))
}

/// Reads a state that was written with schema `version` or an older one, whose missing fields have defaults.
///
/// # Errors
/// The bytes don't fit; the error names the key.
pub fn decode<S: DeserializeOwned>(key: &[u8], version: u32, bytes: &[u8]) -> Result<S, StateError> {
    let stored: Version = serde_json::from_slice(bytes)
        .map_err(|error| StateError::new(key, format!("is not a stored state: {error}")))?;
    if stored.version > version {
        let reason = format!(
            "has schema version {}, and this program knows versions up to {version}: run the newer program",
            stored.version
        );
        return Err(StateError::new(key, reason));
    }
    serde_json::from_slice::<Row<S>>(bytes)
        .map(|row| row.state)
        .map_err(|error| StateError::new(key, format!("doesn't fit its type: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Total {
        cents: i64,
    }

    /// Frozen: what version 1 of the program wrote is read by every later one.
    #[test]
    fn the_stored_form_is_frozen() {
        let written = encode(b"k", 1, &Total { cents: 7 }).expect("it can be written");
        assert_eq!(&written[..], br#"{"version":1,"state":{"cents":7}}"#);
        assert_eq!(decode::<Total>(b"k", 1, &written), Ok(Total { cents: 7 }));
    }

    #[test]
    fn what_does_not_fit_names_the_key() {
        for (bytes, part) in [
            (&br#"{"version":2,"state":{"cents":7}}"#[..], "schema version 2"),
            (br#"{"version":1,"state":{"cents":"x"}}"#, "doesn't fit its type"),
            (b"\xff", "is not a stored state"),
        ] {
            let error = decode::<Total>(b"momentum:7", 1, bytes).expect_err("it doesn't fit").to_string();
            assert!(error.contains("momentum:7") && error.contains(part), "{error}");
        }
    }
}
