//! Bringing back what is in a changelog: from its checkpoint on this machine, if there is one, and from the log behind it.

use std::collections::BTreeMap;

use bytes::Bytes;
use pandaflow::{
    Partition, TopicName,
    ports::{Restored, StoreError},
};
use rdkafka::Message;

use super::{
    acquire::Search,
    changelog::{self, APPLIED, Table},
    checkpoint::{Checkpoints, Sound},
    core::Core,
    failure::store_error,
    log_reader::read_to_end,
    record::header,
};

/// What is in the changelog of these partitions. Blocks.
pub(super) fn restore(core: &Core, search: &Search) -> Result<BTreeMap<Partition, Table>, StoreError> {
    let changelog = core.names.changelog(&search.group);
    let kept = core.topics.partitions_for(&changelog, search.most())?.unwrap_or(0);
    let partitions = search.partitions.iter().map(|partition| partition.0);
    let partitions: Vec<u32> = partitions.filter(|partition| *partition < kept).collect();
    let (mut tables, mut from) = (BTreeMap::new(), Vec::with_capacity(partitions.len()));
    let mut restored = Restored::default();
    if let Some(checkpoints) = &core.checkpoints {
        for (partition, sound) in checkpoints.find(core, &changelog, &partitions) {
            if let Some((table, rows, next)) = load(checkpoints, sound) {
                restored.from_checkpoint += rows;
                tables.insert(Partition(partition), table);
                from.push((partition, next));
            }
        }
    }
    let others = partitions.iter().filter(|partition| !tables.contains_key(&Partition(**partition)));
    from.extend(others.map(|partition| (*partition, 0)));
    read_changelog(core, &changelog, &from, &|| search.is_wanted(), |partition, entry| {
        restored.from_log += 1;
        tables.entry(partition).or_default().take_in(entry);
    })?;
    if !search.is_wanted() {
        return Err(store_error("nobody waits any more for what was looked up"));
    }
    tell(core, &format!("{}: state of {} partitions", search.group, partitions.len()), restored);
    Ok(tables)
}

/// Counts what was read to bring something back.
pub(super) fn tell(core: &Core, what: &str, restored: Restored) {
    core.restored.add(restored);
    if restored != Restored::default() {
        let Restored { from_checkpoint, from_log } = restored;
        log::info!("kafka: {what}: {from_checkpoint} records came from checkpoints, {from_log} from the log");
    }
}

/// A checkpoint's content, how many rows that were, and where the log goes on. `None` if it can't be used.
fn load(checkpoints: &Checkpoints, sound: Sound) -> Option<(Table, u64, i64)> {
    let (mut table, mut rows, mut unknown) = (Table::default(), 0, false);
    let next = checkpoints.load(sound, |row| match row.entry() {
        Some(entry) => {
            rows += 1;
            table.restore(entry, row.overwritten);
        }
        None => unknown = true,
    })?;
    (!unknown).then_some((table, rows, next))
}

/// Reads partitions of a changelog, as long as that is wanted. Blocks.
pub(super) fn read_changelog(
    core: &Core,
    changelog: &TopicName,
    from: &[(u32, i64)],
    wanted: &dyn Fn() -> bool,
    mut each: impl FnMut(Partition, changelog::Entry),
) -> Result<(), StoreError> {
    read_to_end(core, changelog, from, wanted, |message| {
        let value = message.payload().map(Bytes::copy_from_slice);
        let applied = header(message, APPLIED);
        match message.key().and_then(|key| changelog::read(key, value, applied)) {
            Some(entry) => each(Partition(u32::try_from(message.partition()).unwrap_or(0)), entry),
            None => log::warn!(
                "kafka: {changelog}[{}]@{} is no record that this program knows: a newer one wrote it, or somebody else",
                message.partition(),
                message.offset()
            ),
        }
    })
}
