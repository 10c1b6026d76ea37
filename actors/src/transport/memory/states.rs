//! The state store: reads what settlements wrote.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use pandaflow::{
    Group, Partition,
    ports::{StateStore, StoreError},
};

use super::core::{Core, Port};

/// [`StateStore`] in memory.
pub(super) struct MemoryStates(pub(super) Arc<Core>);

impl StateStore for MemoryStates {
    fn load(
        &self,
        group: Group,
        partition: Partition,
        keys: Vec<Bytes>,
    ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, StoreError>> {
        self.0.ask(Port::States, move |core| {
            match core.groups.get(&group).and_then(|group| group.holding(partition)) {
                Some(holding) => {
                    let holding = holding.lock();
                    keys.iter().map(|key| holding.states.get(key).cloned()).collect()
                }
                None => vec![None; keys.len()],
            }
        })
    }

    fn scan(&self, group: Group) -> BoxFuture<'static, Result<Vec<(Bytes, Bytes)>, StoreError>> {
        self.0.ask(Port::States, move |core| core.scan(&group))
    }
}

impl Core {
    /// All keys of a group with their state, ascending by key.
    pub(super) fn scan(&self, group: &Group) -> Vec<(Bytes, Bytes)> {
        let _instant = self.instant.write();
        let mut states = Vec::new();
        for (_, holding) in self.groups.get(group).map(|group| group.holdings()).unwrap_or_default() {
            states.extend(holding.lock().states.iter().map(|(key, state)| (key.clone(), state.clone())));
        }
        states.sort();
        states
    }
}
