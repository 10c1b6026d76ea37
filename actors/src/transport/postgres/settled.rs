//! What groups have settled, for telling how far they are behind and whether their ledgers balance.

use std::collections::BTreeMap;

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{Array, BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use pandaflow::{Group, Partition, policy::ledger::Ledger};

use super::owners::named;
use crate::transport::settlement_database::Settled;

const LEDGERS: &str = "\
    SELECT group_name, part, consumed, succeeded, filtered, duplicate, dead_lettered, parked
    FROM pandaflow_owners WHERE group_name = ANY ($1)";

const PROGRESS: &str =
    "SELECT group_name, part, topic, progress FROM pandaflow_progress WHERE group_name = ANY ($1)";

#[derive(Debug, QueryableByName)]
struct LedgerRow {
    #[diesel(sql_type = Text)]
    group_name: String,
    #[diesel(sql_type = BigInt)]
    part: i64,
    #[diesel(sql_type = BigInt)]
    consumed: i64,
    #[diesel(sql_type = BigInt)]
    succeeded: i64,
    #[diesel(sql_type = BigInt)]
    filtered: i64,
    #[diesel(sql_type = BigInt)]
    duplicate: i64,
    #[diesel(sql_type = BigInt)]
    dead_lettered: i64,
    #[diesel(sql_type = BigInt)]
    parked: i64,
}

#[derive(Debug, QueryableByName)]
struct ProgressRow {
    #[diesel(sql_type = Text)]
    group_name: String,
    #[diesel(sql_type = BigInt)]
    part: i64,
    #[diesel(sql_type = Text)]
    topic: String,
    #[diesel(sql_type = Text)]
    progress: String,
}

/// Every partition of these groups.
pub(super) async fn read(connection: &mut AsyncPgConnection, groups: &[Group]) -> QueryResult<Vec<Settled>> {
    let names: Vec<&str> = groups.iter().map(Group::as_str).collect();
    let ledgers: Vec<LedgerRow> = sql_query(LEDGERS).bind::<Array<Text>, _>(&names).load(connection).await?;
    let progress: Vec<ProgressRow> =
        sql_query(PROGRESS).bind::<Array<Text>, _>(&names).load(connection).await?;
    let mut settled: BTreeMap<(String, i64), Settled> = BTreeMap::new();
    for row in ledgers {
        let ledger = Ledger {
            consumed: row.consumed.cast_unsigned(),
            succeeded: row.succeeded.cast_unsigned(),
            filtered: row.filtered.cast_unsigned(),
            duplicate: row.duplicate.cast_unsigned(),
            dead_lettered: row.dead_lettered.cast_unsigned(),
            parked: row.parked.cast_unsigned(),
        };
        let group = Group::from(row.group_name.as_str());
        let partition = Partition(u32::try_from(row.part).unwrap_or(0));
        let here = Settled { group, partition, progress: Vec::new(), ledger };
        settled.insert((row.group_name, row.part), here);
    }
    for row in progress {
        // Its owner was read before: a partition that is new since then is for the next time.
        if let Some(here) = settled.get_mut(&(row.group_name, row.part)) {
            here.progress.push(named(&row.topic, &row.progress)?);
        }
    }
    Ok(settled.into_values().collect())
}
