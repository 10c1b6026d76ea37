//! A row of `state`.

use bytes::Bytes;
use diesel::prelude::*;
use pandaflow::ports::StoreError;

use super::{Blob, sound};
use crate::transport::embedded::checksum::Checksum;

/// The state of a key of a group.
#[derive(Debug, Queryable)]
pub(crate) struct StateRow {
    group_id: i32,
    key: Blob,
    crc: i64,
    value: Blob,
}

impl StateRow {
    /// Of a row as it is written.
    pub(crate) fn checksum(group_id: i32, key: &[u8], value: &[u8]) -> i64 {
        Checksum::default().number(group_id.into()).bytes(Some(key)).bytes(Some(value)).end()
    }

    /// Key and value.
    pub(crate) fn checked(self) -> Result<(Bytes, Bytes), StoreError> {
        let computed = Self::checksum(self.group_id, &self.key.0, &self.value.0);
        let (group, key) = (self.group_id, self.key.0.escape_ascii().to_string());
        sound(self.crc, computed, format_args!("the state of key {key:?} of group {group}"))?;
        Ok((self.key.0, self.value.0))
    }
}
