//! Lag: how far groups are behind, all as of one instant.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use pandaflow::{
    Group, Offset, Partition, TopicName,
    policy::ledger::Ledger,
    ports::{Lag, StoreError},
};

use super::{
    catalog::stream_end,
    connection::{failed, store_error},
    rows::{OwnerRow, ProgressRow, StreamRow, TopicRow},
    schema::{groups, owners, progress, streams, topics},
};

/// A group and the topics that it reads.
pub(super) type Reading = (Group, Vec<TopicName>);

/// The lag of each group that is wanted, in each partition of the topics that it has subscribed to; `reading` are
/// subscriptions of now, of which the file may not know yet.
pub(super) fn lag(
    connection: &mut SqliteConnection,
    wants: impl Fn(&str) -> bool,
    reading: &[Reading],
) -> Result<Vec<Lag>, StoreError> {
    // A read transaction: everything is seen as of its first statement.
    let mut lags = Ok(Vec::new());
    connection
        .transaction(|connection| {
            lags = Snapshot::take(connection).and_then(|snapshot| snapshot.lags(connection, &wants, reading));
            Ok::<_, diesel::result::Error>(())
        })
        .map_err(failed("reading the lag"))?;
    lags
}

/// Where the log begins and ends.
struct Snapshot {
    topics: HashMap<i32, TopicName>,
    /// First offset and end, by topic and partition.
    ends: BTreeMap<(TopicName, Partition), (Offset, Offset)>,
}

impl Snapshot {
    fn take(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let what = failed("reading the topics");
        let rows: Vec<TopicRow> = topics::table.load(connection).map_err(&what)?;
        let topics: HashMap<i32, TopicName> =
            rows.into_iter().map(|row| (row.id, TopicName::new(&row.name))).collect();
        let rows: Vec<StreamRow> = streams::table.load(connection).map_err(&what)?;
        let mut ends = BTreeMap::new();
        for row in rows {
            let Some(topic) = topics.get(&row.topic_id) else { continue };
            let end = stream_end(connection, row.id, row.next_off.cast_unsigned())?;
            let first = Offset(row.first_off.cast_unsigned());
            ends.insert((topic.clone(), partition(row.part)), (first, Offset(end)));
        }
        Ok(Self { topics, ends })
    }

    fn lags(
        &self,
        connection: &mut SqliteConnection,
        wants: &dyn Fn(&str) -> bool,
        reading: &[Reading],
    ) -> Result<Vec<Lag>, StoreError> {
        let mut settled: BTreeMap<(Group, TopicName, Partition), Offset> = BTreeMap::new();
        for (group, topics) in reading.iter().filter(|(group, _)| wants(group.as_str())) {
            for ((topic, partition), (first, _)) in &self.ends {
                if topics.contains(topic) {
                    settled.insert((group.clone(), topic.clone(), *partition), *first);
                }
            }
        }
        let rows = progress::table.inner_join(groups::table.on(groups::id.eq(progress::group_id)));
        let rows: Vec<(ProgressRow, String)> = rows
            .select((progress::all_columns, groups::name))
            .load(connection)
            .map_err(failed("reading the progress"))?;
        for (row, group) in rows.into_iter().filter(|(_, group)| wants(group)) {
            let topic = self.topics.get(&row.topic_id).cloned().ok_or_else(|| {
                store_error(format!("{group} reads topic {}, which is not there", row.topic_id))
            })?;
            let place = (Group::from(group.as_str()), topic, partition(row.part));
            settled.insert(place, row.settled()?.next);
        }
        let lag = |((group, topic, partition), next): ((Group, TopicName, Partition), Offset)| {
            let place = (topic, partition);
            let end = self.ends.get(&place).map_or(next, |(_, end)| *end);
            Lag { group, topic: place.0, partition, next, end }
        };
        Ok(settled.into_iter().map(lag).collect())
    }
}

fn partition(part: i64) -> Partition {
    Partition(u32::try_from(part).unwrap_or(u32::MAX))
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
