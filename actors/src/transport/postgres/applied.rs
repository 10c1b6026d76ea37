//! Events that had gone into a state on the broker, and were not settled when the group's state was taken over: they stay known
//! until the progress has passed them, over any number of owners.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Binary, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pandaflow::{Group, Offset, Partition, TopicName, policy::watermark::Progress, ports::Applied};

const READ: &str = "SELECT topic, key, off FROM pandaflow_applied WHERE group_name = $1 AND part = $2";

const FORGET: &str = "\
    DELETE FROM pandaflow_applied WHERE group_name = $1 AND part = $2 AND topic = $3 AND off < $4";

#[derive(Debug, QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Binary)]
    key: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    off: i64,
}

/// What a new owner must know; what the progress has passed is forgotten.
pub(super) async fn take(
    connection: &mut AsyncPgConnection,
    group: &Group,
    partition: Partition,
    progress: &[(TopicName, Progress)],
) -> QueryResult<Vec<Applied>> {
    let rows: Vec<Row> = sql_query(READ)
        .bind::<Text, _>(group.as_str())
        .bind::<BigInt, _>(i64::from(partition.0))
        .load(connection)
        .await?;
    let mut known: Vec<Applied> = rows.into_iter().map(Row::applied).collect();
    for (topic, progress) in progress {
        let all = known.len();
        known.retain(|applied| applied.topic != *topic || applied.last >= progress.next);
        if known.len() < all {
            forget(connection, group, partition, (topic, progress.next)).await?;
        }
    }
    Ok(known)
}

/// Forgets what lies below an offset of a topic.
pub(super) async fn forget(
    connection: &mut AsyncPgConnection,
    group: &Group,
    partition: Partition,
    (topic, below): (&TopicName, Offset),
) -> QueryResult<()> {
    let forget = sql_query(FORGET)
        .bind::<Text, _>(group.as_str())
        .bind::<BigInt, _>(i64::from(partition.0))
        .bind::<Text, _>(topic.as_str())
        .bind::<BigInt, _>(i64::try_from(below.0).unwrap_or(i64::MAX));
    forget.execute(connection).await.map(drop)
}

impl Row {
    fn applied(self) -> Applied {
        Applied {
            key: self.key.into(),
            topic: TopicName::new(&self.topic),
            last: Offset(self.off.cast_unsigned()),
        }
    }
}
