//! The id of an event: derived from what caused it, so that a re-run emits the same ids.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Position, Timestamp};

/// The id of an event, a UUID (version 7 where pandaflow made it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl EventId {
    /// The id of the `ordinal`-th event that `emitter` (a consumer group) emits because of `cause`.
    ///
    /// The time of the UUID v7 is `time`, that of the causing event; its 74 random bits are taken from
    /// the UUID v5 (RFC 9562, section 5.5) of the emitter and the ordinal in the name space of the cause.
    #[must_use]
    pub fn derived(cause: Self, emitter: &str, ordinal: u32, time: Timestamp) -> Self {
        let mut name = Vec::with_capacity(emitter.len() + 4);
        name.extend_from_slice(emitter.as_bytes());
        name.extend_from_slice(&ordinal.to_be_bytes());
        Self::seeded(Uuid::new_v5(&cause.0, &name), time)
    }

    /// The id of a record that carries none, from where it lies.
    #[must_use]
    pub fn of_position(position: &Position, time: Timestamp) -> Self {
        let name = position.to_string();
        Self::seeded(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()), time)
    }

    /// The id of the `ordinal`-th event read from a source outside the log, such as a line of a file.
    #[must_use]
    pub fn of_source(source: &str, ordinal: u64, time: Timestamp) -> Self {
        let mut name = Vec::with_capacity(source.len() + 8);
        name.extend_from_slice(source.as_bytes());
        name.extend_from_slice(&ordinal.to_be_bytes());
        Self::seeded(Uuid::new_v5(&Uuid::NAMESPACE_OID, &name), time)
    }

    fn seeded(hash: Uuid, time: Timestamp) -> Self {
        let bits = hash.as_bytes();
        let mut random = [0; 10];
        random[..6].copy_from_slice(&bits[..6]);
        // Bytes 6 and 8 of a v5 hold version and variant; take whole random bytes in their place.
        random[6..].copy_from_slice(&[bits[7], bits[9], bits[10], bits[11]]);
        let millis = u64::try_from(time.0).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_depends_on_cause_emitter_and_ordinal_and_on_nothing_else() {
        let cause = EventId(Uuid::from_u128(7));
        let time = Timestamp(1_381_152_600_000);
        let id = EventId::derived(cause, "p.paper.risk", 0, time);
        assert_eq!(id, EventId::derived(cause, "p.paper.risk", 0, time));
        assert_ne!(id, EventId::derived(cause, "p.paper.risk", 1, time));
        assert_ne!(id, EventId::derived(cause, "p.zerodha.risk", 0, time));
        assert_ne!(id, EventId::derived(EventId(Uuid::from_u128(8)), "p.paper.risk", 0, time));
        assert_eq!(id.0.get_version_num(), 7);
    }

    /// Frozen: another version of the derivation would handle everything again after an upgrade.
    #[test]
    fn the_derivation_is_frozen() {
        let cause = EventId(Uuid::from_u128(1));
        let id = EventId::derived(cause, "pandaflow.paper.risk-manager", 2, Timestamp(1_381_152_600_000));
        assert_eq!(id.to_string(), "0141931c-2fc0-7a94-b97c-b1bcacd72ad3");
    }
}
