//! Writing a row of `state` in place.

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Integer},
    sqlite::Sqlite,
};

use super::StateRow;

/// `INSERT .. ON CONFLICT DO UPDATE` of one row: 1.2 to 1.7 times as fast as `REPLACE`, which deletes and inserts. A query
/// of its own, since diesel's builds the text of an upsert anew for each row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PutState<'a> {
    group_id: i32,
    key: &'a [u8],
    crc: i64,
    value: &'a [u8],
}

impl<'a> PutState<'a> {
    pub(crate) fn new(group_id: i32, key: &'a [u8], value: &'a [u8]) -> Self {
        Self { group_id, key, crc: StateRow::checksum(group_id, key, value), value }
    }
}

impl QueryId for PutState<'_> {
    type QueryId = PutState<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for PutState<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("INSERT INTO state (group_id, key, crc, value) VALUES (");
        out.push_bind_param::<Integer, _>(&self.group_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(self.key)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.crc)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(self.value)?;
        out.push_sql(
            ") ON CONFLICT (group_id, key) DO UPDATE SET crc = excluded.crc, value = excluded.value",
        );
        Ok(())
    }
}

impl RunQueryDsl<SqliteConnection> for PutState<'_> {}
