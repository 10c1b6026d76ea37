//! The state store: in memory for partitions that are owned here, from the changelog for all others.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use pandaflow::{
    Group, Partition,
    ports::{StateStore, StoreError},
};

use super::{changelog::Table, core::Core, restore::read_changelog};

/// [`StateStore`] on Kafka.
pub(super) struct KafkaStates(pub(super) Arc<Core>);

fn values(table: &Table, keys: &[Bytes]) -> Vec<Option<Bytes>> {
    keys.iter().map(|key| table.states.get(key)?.value.clone()).collect()
}

impl StateStore for KafkaStates {
    fn load(
        &self,
        group: Group,
        partition: Partition,
        keys: Vec<Bytes>,
    ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, StoreError>> {
        if let Some(seat) = self.0.owners.seat(&group, partition) {
            return std::future::ready(Ok(values(&seat.life.table(), &keys))).boxed();
        }
        let core = Arc::clone(&self.0);
        self.0.background.ask(move || {
            let read = read_group(&core, &group, Some(partition))?;
            Ok(read.get(&partition).map_or_else(|| vec![None; keys.len()], |table| values(table, &keys)))
        })
    }

    /// Reads the whole changelog, as other processes have written to it.
    fn scan(&self, group: Group) -> BoxFuture<'static, Result<Vec<(Bytes, Bytes)>, StoreError>> {
        let core = Arc::clone(&self.0);
        self.0.background.ask(move || {
            let tables = read_group(&core, &group, None)?;
            let states = tables.into_values().flat_map(|table| table.states);
            let mut states: Vec<_> = states.filter_map(|(key, state)| Some((key, state.value?))).collect();
            states.sort();
            Ok(states)
        })
    }
}

/// Reads a group's changelog, or one partition of it. Blocks.
fn read_group(
    core: &Core,
    group: &Group,
    only: Option<Partition>,
) -> Result<BTreeMap<Partition, Table>, StoreError> {
    let changelog = core.names.changelog(group);
    let partitions = core.topics.partitions(&changelog)?.unwrap_or(0);
    let from: Vec<(u32, i64)> = (0..partitions)
        .filter(|partition| only.is_none_or(|only| only.0 == *partition))
        .map(|partition| (partition, 0))
        .collect();
    let mut tables: BTreeMap<Partition, Table> = BTreeMap::new();
    read_changelog(core, &changelog, &from, &|| true, |partition, entry| {
        tables.entry(partition).or_default().take_in(entry);
    })?;
    Ok(tables)
}
