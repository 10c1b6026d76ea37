//! New owners: an epoch more, and what the one before has settled.

use std::collections::HashMap;

use diesel::prelude::*;
use pandaflow::{
    Epoch, Group, Offset, Partition,
    policy::watermark::Progress,
    ports::{Acquired, FailedAttempts, Owner, ParkedEvent, StoreError},
};

use super::Desk;
use crate::transport::embedded::{
    catalog::{Catalog, Topic},
    connection::{failed, store_error},
    queue::AcquireJob,
    rows::{AttemptsRow, GroupRow, OwnerRow, ParkedRow, ProgressRow, StreamRow},
    schema::{attempts, groups, owners, parked, progress, streams},
};

/// What becomes known when the transaction is committed.
#[derive(Default)]
struct Fresh {
    groups: HashMap<Group, i32>,
    epochs: HashMap<(i32, Partition), Epoch>,
}

impl Desk {
    /// Makes new owners, all in one transaction.
    pub(super) fn acquire(&mut self, jobs: Vec<AcquireJob>) {
        if jobs.is_empty() {
            return;
        }
        let writer = &mut self.writer;
        let mut fresh = Fresh::default();
        let (catalog, known) = (&writer.catalog, &writer.owners);
        let result = writer.connection.immediate_transaction(|connection| {
            let acquired = jobs.iter().map(|job| {
                let group = group_id(connection, catalog, &mut fresh, &job.group)?;
                let place = (group, job.partition);
                let epoch = fresh.epochs.get(&place).copied().unwrap_or(known.epoch(group, job.partition));
                let epoch = Epoch(epoch.0 + 1);
                let acquired = acquire(connection, catalog, group, epoch, job)?;
                fresh.epochs.insert(place, epoch);
                Ok(acquired)
            });
            Ok::<_, diesel::result::Error>(acquired.collect::<Vec<Result<Acquired, StoreError>>>())
        });
        let answers = match result {
            Ok(answers) => {
                fresh.groups.into_iter().for_each(|(group, id)| writer.catalog.put_group(group, id));
                for ((group, partition), epoch) in fresh.epochs {
                    writer.owners.replace(group, partition, epoch);
                }
                answers
            }
            Err(error) => {
                writer.reconnect();
                let error = failed("acquiring a partition")(error);
                jobs.iter().map(|_| Err(error.clone())).collect()
            }
        };
        for (job, answer) in jobs.into_iter().zip(answers) {
            let _ = job.reply.send(answer);
        }
    }
}

/// The group's number; a group that is new gets one.
fn group_id(
    connection: &mut SqliteConnection,
    catalog: &Catalog,
    fresh: &mut Fresh,
    group: &Group,
) -> Result<i32, StoreError> {
    if let Some(id) = catalog.group(group).or_else(|| fresh.groups.get(group).copied()) {
        return Ok(id);
    }
    let what = failed("registering a group");
    let last: Option<i32> =
        groups::table.select(diesel::dsl::max(groups::id)).first(connection).map_err(&what)?;
    let id = last.unwrap_or(0) + 1;
    diesel::insert_into(groups::table)
        .values(&GroupRow::new(id, group.as_str()))
        .execute(connection)
        .map_err(&what)?;
    fresh.groups.insert(group.clone(), id);
    Ok(id)
}

fn acquire(
    connection: &mut SqliteConnection,
    catalog: &Catalog,
    group: i32,
    epoch: Epoch,
    job: &AcquireJob,
) -> Result<Acquired, StoreError> {
    let part = i64::from(job.partition.0);
    let mut settled = Vec::with_capacity(job.topics.len());
    for name in &job.topics {
        let topic = catalog.known_topic(name)?;
        settled.push((name.clone(), progress_of(connection, group, job.partition, &topic)?));
    }
    let owner: Option<OwnerRow> =
        owners::table.find((group, part)).first(connection).optional().map_err(failed("reading an owner"))?;
    let ledger = owner.map(OwnerRow::checked).transpose()?.map(|row| row.ledger()).unwrap_or_default();
    let attempts = attempts_of(connection, catalog, group, part)?;
    let parked = parked_of(connection, catalog, group, part)?;
    diesel::replace_into(owners::table)
        .values(&OwnerRow::new(group, part, epoch, &ledger))
        .execute(connection)
        .map_err(failed("writing an owner"))?;
    let owner = Owner { group: job.group.clone(), partition: job.partition, epoch };
    Ok(Acquired { owner, progress: settled, ledger, attempts, parked, applied: Vec::new() })
}

/// How far the group has come; one that is new begins where the log does. Its row says from now on that the group
/// reads the topic, so that nothing is pruned before it was read.
fn progress_of(
    connection: &mut SqliteConnection,
    group: i32,
    partition: Partition,
    topic: &Topic,
) -> Result<Progress, StoreError> {
    let part = i64::from(partition.0);
    let row: Option<ProgressRow> = progress::table
        .find((group, part, topic.id))
        .first(connection)
        .optional()
        .map_err(failed("reading the progress"))?;
    if let Some(row) = row {
        return row.settled();
    }
    let stream = topic.stream(partition).ok_or_else(|| {
        let (name, partitions) = (&topic.name, topic.partitions);
        store_error(format!("topic {name} has {partitions} partitions, so there is no partition {partition}"))
    })?;
    let row: StreamRow =
        streams::table.find(stream.id).first(connection).map_err(failed("reading a partition"))?;
    let begin = Progress::at(Offset(row.checked()?.first_off.cast_unsigned()));
    diesel::replace_into(progress::table)
        .values(&ProgressRow::new(group, part, topic.id, &begin))
        .execute(connection)
        .map_err(failed("writing the progress"))?;
    Ok(begin)
}

fn attempts_of(
    connection: &mut SqliteConnection,
    catalog: &Catalog,
    group: i32,
    part: i64,
) -> Result<Vec<FailedAttempts>, StoreError> {
    let rows: Vec<AttemptsRow> = attempts::table
        .filter(attempts::group_id.eq(group).and(attempts::part.eq(part)))
        .load(connection)
        .map_err(failed("reading the failed attempts"))?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let names: HashMap<i32, _> =
        catalog.topics().into_iter().map(|topic| (topic.id, topic.name.clone())).collect();
    rows.into_iter()
        .map(|row| {
            let row = row.checked()?;
            let topic = names.get(&row.topic_id).cloned();
            topic.map(|topic| row.failed(topic)).ok_or_else(|| {
                store_error(format!("attempts are counted for topic {}, which is not there", row.topic_id))
            })
        })
        .collect()
}

fn parked_of(
    connection: &mut SqliteConnection,
    catalog: &Catalog,
    group: i32,
    part: i64,
) -> Result<Vec<ParkedEvent>, StoreError> {
    let rows: Vec<ParkedRow> = parked::table
        .filter(parked::group_id.eq(group).and(parked::part.eq(part)))
        .load(connection)
        .map_err(failed("reading the parked events"))?;
    let topics = catalog.topics();
    let event = |row: ParkedRow| {
        let row = row.checked()?;
        let topic = topics.iter().find(|topic| topic.id == row.topic_id).map(|topic| topic.name.clone());
        let topic = topic.ok_or_else(|| {
            store_error(format!("an event of topic {} is parked, which is not there", row.topic_id))
        })?;
        row.event(topic)
    };
    rows.into_iter().map(event).collect()
}
