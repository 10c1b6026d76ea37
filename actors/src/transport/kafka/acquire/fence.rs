//! The fence of a new owner in the dedup store, raised before its state is read.
//!
//! At least once an owner writes its state, marks its events as done, and commits, one after the other. One that has lost its
//! partition and does not know it yet may write a state that its successor doesn't see any more. If it could mark as well, the
//! successor would take the event for a duplicate, and its effect would be lost. So the store refuses such marks from the
//! moment on at which the successor reads the changelog: a mark that it took before has its state in there.
//!
//! Exactly once, marks follow the commit and nothing is lost without it; the epoch that it finds is one that the store takes marks of.

use std::sync::Arc;

use futures_util::future::try_join_all;
use pandaflow::{
    Epoch, Group, Partition,
    ports::{Owner, Standing, StoreError},
};

use super::{Found, Search};
use crate::transport::kafka::{core::Core, failure::store_error};

/// Fences the earlier owners of partitions, and notes the epochs of the new ones.
pub(super) async fn earlier_owners(
    core: &Core,
    search: &Search,
    found: &mut [Found],
) -> Result<(), StoreError> {
    let fences = found.iter().map(|found| fence(core, search, found.partition, found.epoch));
    match try_join_all(fences).await {
        Ok(epochs) => {
            for (found, epoch) in found.iter_mut().zip(epochs) {
                found.granted = epoch;
            }
            Ok(())
        }
        Err(error) if core.config.dedup.is_needed() => Err(error),
        Err(error) => {
            log::warn!("kafka: {}: {error}: its partitions are taken up all the same", search.group);
            Ok(())
        }
    }
}

/// Fences as an owner of an epoch above this one; tells which. Not for a partition that has gone again meanwhile: whoever has it
/// now would be fenced.
async fn fence(
    core: &Core,
    search: &Search,
    partition: Partition,
    mut above: Epoch,
) -> Result<Option<Epoch>, StoreError> {
    let group = &search.group;
    while (search.wanted)(partition) {
        let epoch = core.owners.next_epoch(above.0);
        let owner = Owner { group: group.clone(), partition, epoch };
        match core.config.dedup.fence(group.clone(), owner).await? {
            Standing::InForce => return Ok(Some(epoch)),
            // Of an owner that has committed nothing, on a machine whose clock is ahead.
            Standing::Fenced { by } => above = by,
        }
    }
    Ok(None)
}

/// Whether the fences hold for whoever has written the states that were found.
pub(super) fn held(core: &Arc<Core>, group: &Group, found: &[Found]) -> Result<(), StoreError> {
    for found in found {
        let newest = found.table.newest_epoch();
        if found.granted.is_some_and(|granted| granted.0 <= newest) {
            // The next look-up fences above it.
            core.owners.next_epoch(newest);
            return Err(store_error(format!(
                "{group} partition {}: an owner of a later epoch, {newest}, has written its state",
                found.partition
            )));
        }
    }
    Ok(())
}
