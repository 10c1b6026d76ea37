//! Under which keys a group's ids lie. Version 1; what it wrote is read by every later version.

use pandaflow::{EventId, Group};

/// The keys of one group. They share a hash tag, so that a script finds all of them on one node of a cluster.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: Vec<u8>,
}

impl Keys {
    pub(super) fn of(installation: &str, group: &Group) -> Self {
        Self { prefix: format!("{installation}:1:{{{}}}", group.as_str()).into_bytes() }
    }

    /// An id's key: `INSTALLATION:1:{GROUP}:` and its 16 bytes.
    pub(super) fn id(&self, id: EventId) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + 17);
        key.extend_from_slice(&self.prefix);
        key.push(b':');
        key.extend_from_slice(id.0.as_bytes());
        key
    }

    /// The key of the group's fences: a hash of the latest owner's epoch by partition.
    pub(super) fn fences(&self) -> Vec<u8> {
        [&self.prefix, &b"#fences"[..]].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_frozen() {
        let keys = Keys::of("pandaflow", &"pandaflow.paper.risk".into());
        let id = EventId(uuid::Uuid::from_u128(0x4142_4344_4546_4748_494a_4b4c_4d4e_4f50));
        assert_eq!(keys.id(id), b"pandaflow:1:{pandaflow.paper.risk}:ABCDEFGHIJKLMNOP");
        assert_eq!(keys.fences(), b"pandaflow:1:{pandaflow.paper.risk}#fences");
    }
}
