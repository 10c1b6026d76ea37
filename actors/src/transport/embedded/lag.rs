//! Lag: how far groups are behind, all as of one instant.

use std::collections::HashMap;

use diesel::prelude::*;
use pandaflow::{
    Group, Offset, Partition, TopicName,
    policy::ledger::Ledger,
    ports::{Lag, StoreError},
};

use super::{
    catalog::stream_end,
    connection::{failed, store_error},
    rows::{GroupRow, OwnerRow, ProgressRow, StreamRow, TopicRow},
    schema::{groups, owners, progress, streams, topics},
};

/// The lag of each group that is wanted, in each partition of the topics that it has subscribed to.
pub(super) fn lag(
    connection: &mut SqliteConnection,
    wants: impl Fn(&str) -> bool,
) -> Result<Vec<Lag>, StoreError> {
    // A read transaction: everything is seen as of its first statement.
    let mut lags = Ok(Vec::new());
    connection
        .transaction(|connection| {
            lags = read(connection, &wants);
            Ok::<_, diesel::result::Error>(())
        })
        .map_err(failed("reading the lag"))?;
    lags
}

fn read(connection: &mut SqliteConnection, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Lag>, StoreError> {
    let what = failed("reading the lag");
    let rows: Vec<TopicRow> = topics::table.load(connection).map_err(&what)?;
    let names: HashMap<i32, TopicName> =
        rows.into_iter().map(|row| (row.id, TopicName::new(&row.name))).collect();
    let rows: Vec<GroupRow> = groups::table.order(groups::name).load(connection).map_err(&what)?;
    let mut ends = HashMap::new();
    let mut lags = Vec::new();
    for group in rows.into_iter().filter(|row| wants(&row.name)) {
        let read: Vec<ProgressRow> =
            progress::table.filter(progress::group_id.eq(group.id)).load(connection).map_err(&what)?;
        for row in read {
            let next = row.settled()?.next;
            let topic = names.get(&row.topic_id).cloned().ok_or_else(|| {
                store_error(format!("{} reads topic {}, which is not there", group.name, row.topic_id))
            })?;
            let end = match ends.get(&(row.topic_id, row.part)) {
                Some(end) => *end,
                None => end_of(connection, row.topic_id, row.part)?,
            };
            ends.insert((row.topic_id, row.part), end);
            lags.push(Lag {
                group: Group::from(group.name.as_str()),
                topic,
                partition: Partition(u32::try_from(row.part).unwrap_or(u32::MAX)),
                next,
                end,
            });
        }
    }
    lags.sort_by(|a, b| (&a.group, &a.topic, a.partition).cmp(&(&b.group, &b.topic, b.partition)));
    Ok(lags)
}

fn end_of(connection: &mut SqliteConnection, topic: i32, part: i64) -> Result<Offset, StoreError> {
    let row: StreamRow = streams::table
        .filter(streams::topic_id.eq(topic).and(streams::part.eq(part)))
        .first(connection)
        .map_err(failed("reading a partition"))?;
    stream_end(connection, row.id, row.next_off.cast_unsigned()).map(Offset)
}

/// The settled ledger of each group, over all its partitions.
pub(super) fn ledgers(
    connection: &mut SqliteConnection,
    wanted: Vec<Group>,
) -> Result<Vec<(Group, Ledger)>, StoreError> {
    let what = failed("reading the ledgers");
    let rows = owners::table.inner_join(groups::table.on(groups::id.eq(owners::group_id)));
    let rows: Vec<(OwnerRow, String)> =
        rows.select((owners::all_columns, groups::name)).load(connection).map_err(&what)?;
    let mut ledgers: HashMap<String, Ledger> = HashMap::new();
    for (row, group) in rows {
        let ledger = ledgers.entry(group).or_default();
        *ledger = ledger.plus(&row.checked()?.ledger());
    }
    let ledger = |group: &Group| ledgers.get(group.as_str()).copied().unwrap_or_default();
    Ok(wanted.into_iter().map(|group| (group.clone(), ledger(&group))).collect())
}
