//! Whose settlements are made in a schema: those of one deployment, and on a server that can do it.

use diesel::{
    QueryResult, QueryableByName, sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// The first version that ends sessions which say nothing for a while.
const OLDEST: i64 = 14;

const RESERVE: &str = "INSERT INTO pandaflow_deployment (prefix) VALUES ($1) ON CONFLICT DO NOTHING";

const LOOK: &str = "\
    SELECT prefix, current_schema()::text AS schema, current_setting('server_version_num')::bigint / 10000 AS version
    FROM pandaflow_deployment";

/// Who has a schema, and where it is.
#[derive(Debug, QueryableByName)]
pub(super) struct Deployment {
    #[diesel(sql_type = Text)]
    prefix: String,
    #[diesel(sql_type = Text)]
    schema: String,
    #[diesel(sql_type = BigInt)]
    version: i64,
}

impl Deployment {
    /// Reserves the schema for the deployment whose names begin so, unless another has it; tells who has it.
    pub(super) async fn reserve(connection: &mut AsyncPgConnection, prefix: &str) -> QueryResult<Self> {
        sql_query(RESERVE).bind::<Text, _>(prefix).execute(connection).await?;
        sql_query(LOOK).get_result(connection).await
    }

    /// Why settlements of the deployment whose names begin so can't be made here, if they can't.
    pub(super) fn refuses(&self, prefix: &str) -> Option<String> {
        if self.version < OLDEST {
            return Some(format!(
                "PostgreSQL {} is too old to settle in; it takes {OLDEST} or later",
                self.version
            ));
        }
        (self.prefix != prefix).then(|| {
            format!(
                "schema {} has the settlements of the deployment with KAFKA__PREFIX={:?}, and this is {prefix:?}: give it a \
                 schema of its own, as in DATABASE__URL=postgres://..?options=-c%20search_path%3DNAME",
                self.schema, self.prefix
            )
        })
    }
}
