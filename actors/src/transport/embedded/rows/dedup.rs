//! A row of `dedup`.

use diesel::prelude::*;
use pandaflow::{Timestamp, ports::StoreError};

use super::sound;
use crate::transport::embedded::{checksum::Checksum, schema::dedup};

/// An event that a group has handled.
#[derive(Debug, Insertable, Queryable)]
#[diesel(table_name = dedup)]
pub(crate) struct DedupRow {
    pub(crate) group_id: i32,
    pub(crate) id: Vec<u8>,
    expires_ms: i64,
    crc: i64,
}

impl DedupRow {
    /// Of a row as it is written.
    pub(crate) fn checksum(group_id: i32, id: &[u8], expires_ms: i64) -> i64 {
        Checksum::default().number(group_id.into()).bytes(Some(id)).number(expires_ms).end()
    }

    pub(crate) fn checked(self) -> Result<Self, StoreError> {
        let computed = Self::checksum(self.group_id, &self.id, self.expires_ms);
        sound(self.crc, computed, format_args!("a dedup mark of group {}", self.group_id))?;
        Ok(self)
    }

    /// Until when it is remembered.
    pub(crate) fn expires(&self) -> Timestamp {
        Timestamp(self.expires_ms)
    }
}
