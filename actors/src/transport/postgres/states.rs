//! The state store: reads what settlements wrote.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, BigInt, Binary, Text},
};
use diesel_async::RunQueryDsl;
use futures_util::future::BoxFuture;
use pandaflow::{
    Group, Partition,
    ports::{StateStore, StoreError},
};

use super::database::{Connection, Database};

const LOAD: &str = "\
    SELECT key, value FROM pandaflow_states
    WHERE group_name = $1 AND part = $2 AND digest IN (SELECT sha256(row.key) FROM unnest($3) AS row (key))";

const SCAN: &str = "SELECT key, value FROM pandaflow_states WHERE group_name = $1 ORDER BY key";

#[derive(Debug, QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    key: Vec<u8>,
    #[diesel(sql_type = Binary)]
    value: Vec<u8>,
}

/// [`StateStore`] on PostgreSQL.
pub(super) struct PostgresStates(pub(super) Arc<Database>);

impl StateStore for PostgresStates {
    fn load(
        &self,
        group: Group,
        partition: Partition,
        keys: Vec<Bytes>,
    ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, StoreError>> {
        let database = Arc::clone(&self.0);
        self.0.run(async move {
            let asked: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
            let load = sql_query(LOAD)
                .bind::<Text, _>(group.as_str())
                .bind::<BigInt, _>(i64::from(partition.0))
                .bind::<Array<Binary>, _>(asked);
            let load = |mut connection: Connection| async move { load.load::<Row>(&mut connection).await };
            let rows = database.query("loading states", load).await?;
            let found: HashMap<Vec<u8>, Bytes> =
                rows.into_iter().map(|row| (row.key, row.value.into())).collect();
            Ok(keys.iter().map(|key| found.get(&key[..]).cloned()).collect())
        })
    }

    fn scan(&self, group: Group) -> BoxFuture<'static, Result<Vec<(Bytes, Bytes)>, StoreError>> {
        let database = Arc::clone(&self.0);
        self.0.run(async move {
            let scan = sql_query(SCAN).bind::<Text, _>(group.as_str());
            let scan = |mut connection: Connection| async move { scan.load::<Row>(&mut connection).await };
            let rows = database.query("listing states", scan).await?;
            Ok(rows.into_iter().map(|row| (row.key.into(), row.value.into())).collect())
        })
    }
}
