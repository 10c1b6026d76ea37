//! Who may settle: the newest owner of a partition, and nothing out of order after a failure.

use std::collections::HashMap;

use diesel::{RunQueryDsl, SqliteConnection};
use pandaflow::{
    Epoch, Partition, TopicName,
    ports::{
        AttemptChange, FailedAttempts, Owner, ParkChange, SettleError, SettleErrorKind, Settlement,
        StoreError,
    },
};

use super::{
    catalog::Catalog,
    connection::{failed, store_error},
    latch::{Latch, ReadAt},
    queue::SettleJob,
    rows::OwnerRow,
    schema::owners,
};

/// What a settlement is told that came after one that failed.
pub(super) const NOT_ITS_TURN: &str =
    "an earlier settlement of this owner failed and was not tried again yet";

/// SQLite's own limit of a row is 10^9 bytes.
const MAX_RECORD_BYTES: usize = 900_000_000;

/// The owners of all partitions, as the writer knows them.
#[derive(Debug, Default)]
pub(super) struct Owners(HashMap<(i32, Partition), OwnerEntry>);

#[derive(Debug)]
struct OwnerEntry {
    epoch: Epoch,
    /// Whether it has given the partition back. Kept in memory: after a crash there is nobody left to fence.
    is_retired: bool,
    latch: Latch,
}

impl Owners {
    pub(super) fn load(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let rows: Vec<OwnerRow> = owners::table.load(connection).map_err(failed("reading the owners"))?;
        let entry = |row: OwnerRow| {
            let row = row.checked()?;
            let part = u32::try_from(row.part)
                .map_err(|_| store_error(format!("an owner has partition {}", row.part)))?;
            Ok((
                (row.group_id, Partition(part)),
                OwnerEntry { epoch: row.epoch(), is_retired: false, latch: Latch::default() },
            ))
        };
        rows.into_iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn epoch(&self, group: i32, partition: Partition) -> Epoch {
        self.0.get(&(group, partition)).map_or(Epoch(0), |entry| entry.epoch)
    }

    /// A new owner, which begins without failures.
    pub(super) fn replace(&mut self, group: i32, partition: Partition, epoch: Epoch) {
        self.0.insert((group, partition), OwnerEntry { epoch, is_retired: false, latch: Latch::default() });
    }

    /// Remembers that a settlement failed. Returns where to note that its refusal was read.
    pub(super) fn failed(
        &mut self,
        group: i32,
        settlement: &Settlement,
        kind: SettleErrorKind,
    ) -> Option<ReadAt> {
        self.0.get_mut(&(group, settlement.owner.partition))?.latch.close(settlement, kind)
    }

    /// Ends an owner that has given its partition back: nothing of its epoch settles any more.
    pub(super) fn retire(&mut self, group: i32, owner: &Owner) {
        if let Some(entry) = self.0.get_mut(&(group, owner.partition)) {
            entry.is_retired |= entry.epoch == owner.epoch;
        }
    }

    /// Checks that a settlement comes from the newest owner, and that it is the turn of this one.
    ///
    /// # Errors
    /// Why it may not settle.
    pub(super) fn admit(&mut self, group: Option<i32>, job: &SettleJob) -> Result<i32, SettleError> {
        let settlement = job.settlement();
        let owner = &settlement.owner;
        let entry = group.and_then(|group| Some((group, self.0.get_mut(&(group, owner.partition))?)));
        let Some((group, entry)) = entry else {
            let message = format!("{} has no owner of partition {}", owner.group, owner.partition);
            return Err(error(SettleErrorKind::Fenced, message));
        };
        if entry.epoch != owner.epoch {
            let message = format!(
                "partition {} of {} has a new owner, in epoch {}; this one is of epoch {}",
                owner.partition, owner.group, entry.epoch, owner.epoch
            );
            return Err(error(SettleErrorKind::Fenced, message));
        }
        if entry.is_retired {
            let message = format!("partition {} of {} was given back", owner.partition, owner.group);
            return Err(error(SettleErrorKind::Fenced, message));
        }
        if !entry.latch.lets_through(settlement, job.call) {
            return Err(error(SettleErrorKind::Retry, NOT_ITS_TURN.into()));
        }
        Ok(group)
    }
}

/// Checks that a settlement can be written: its topics are there, and its records fit a row.
///
/// # Errors
/// What can't be written.
pub(super) fn check(catalog: &Catalog, settlement: &Settlement) -> Result<(), SettleError> {
    let refused = |source| SettleError { kind: SettleErrorKind::Refused, source };
    let mut checked = None;
    for output in &settlement.outputs {
        if checked != Some(&output.topic) {
            catalog.known_topic(&output.topic).map_err(refused)?;
            checked = Some(&output.topic);
        }
        let bytes = |part: &Option<bytes::Bytes>| part.as_ref().map_or(0, bytes::Bytes::len);
        let size = bytes(&output.key) + bytes(&output.value) + output.headers.size();
        if size > MAX_RECORD_BYTES {
            let message =
                format!("a record for {} has {size} bytes; a row takes {MAX_RECORD_BYTES}", output.topic);
            return Err(error(SettleErrorKind::Refused, message));
        }
    }
    for (topic, _) in &settlement.progress {
        catalog.known_topic(topic).map_err(refused)?;
    }
    for change in &settlement.attempts {
        catalog.known_topic(topic_of(change)).map_err(refused)?;
    }
    for change in &settlement.parking {
        let topic = match change {
            ParkChange::Parked(event) => &event.record.topic,
            ParkChange::Ended { topic, .. } => topic,
        };
        catalog.known_topic(topic).map_err(refused)?;
    }
    Ok(())
}

/// An error of a settlement.
pub(super) fn error(kind: SettleErrorKind, message: String) -> SettleError {
    SettleError { kind, source: store_error(message) }
}

/// The topic of an event whose attempts are counted.
pub(super) fn topic_of(change: &AttemptChange) -> &TopicName {
    match change {
        AttemptChange::Failed(FailedAttempts { topic, .. }) | AttemptChange::Ended { topic, .. } => topic,
    }
}
