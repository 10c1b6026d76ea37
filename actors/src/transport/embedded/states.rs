//! State per key: read on a thread of its own, written by the writer.

use std::sync::Arc;

use bytes::Bytes;
use diesel::prelude::*;
use futures_util::future::{BoxFuture, FutureExt};
use pandaflow::{
    Group, Partition,
    ports::{StateStore, StoreError},
};

use super::{connection::failed, inner::Inner, rows::StateRow, schema::state};

/// Reads the state of keys. A key of a group has one state, whatever its partition.
pub(super) struct EmbeddedStates(pub(super) Arc<Inner>);

impl StateStore for EmbeddedStates {
    fn load(
        &self,
        group: Group,
        _partition: Partition,
        keys: Vec<Bytes>,
    ) -> BoxFuture<'static, Result<Vec<Option<Bytes>>, StoreError>> {
        let Some(group) = self.0.catalog.group(&group) else {
            return std::future::ready(Ok(vec![None; keys.len()])).boxed();
        };
        self.0.lookups.run(move |connection| {
            // One transaction, so that the snapshot is taken once and not key by key.
            let rows = connection
                .transaction(|connection| {
                    let read = |key: &Bytes| {
                        state::table.find((group, &key[..])).first::<StateRow>(connection).optional()
                    };
                    keys.iter().map(read).collect::<QueryResult<Vec<_>>>()
                })
                .map_err(failed("reading state"))?;
            rows.into_iter()
                .map(|row| Ok(row.map(StateRow::checked).transpose()?.map(|(_, value)| value)))
                .collect()
        })
    }

    fn scan(&self, group: Group) -> BoxFuture<'static, Result<Vec<(Bytes, Bytes)>, StoreError>> {
        let Some(group) = self.0.catalog.group(&group) else {
            return std::future::ready(Ok(Vec::new())).boxed();
        };
        self.0.reports.run(move |connection| {
            let rows: Vec<StateRow> = state::table
                .filter(state::group_id.eq(group))
                .order(state::key)
                .load(connection)
                .map_err(failed("reading state"))?;
            rows.into_iter().map(StateRow::checked).collect()
        })
    }
}
