//! Under which keys a group's ids lie. Version 2: version 1, which had a key for each id, was never released. What this one wrote
//! is read by every later version.

use pandaflow::Group;

/// The keys of one group. They share a hash tag, so that a script finds all of them on one node of a cluster.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn of(installation: &str, group: &Group) -> Self {
        Self { prefix: format!("{installation}:2:{{{}}}", group.as_str()) }
    }

    /// What every script is given: the group's fences (a hash of the latest owner's epoch by partition), and its buckets (a sorted
    /// set of their names, each of which begins with this key).
    pub(super) fn all(&self) -> [String; 2] {
        [format!("{}#fences", self.prefix), format!("{}#ids", self.prefix)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_frozen() {
        let [fences, ids] = Keys::of("pandaflow", &"pandaflow.paper.risk".into()).all();
        assert_eq!(fences, "pandaflow:2:{pandaflow.paper.risk}#fences");
        assert_eq!(ids, "pandaflow:2:{pandaflow.paper.risk}#ids");
    }
}
