//! A row of `groups`.

use diesel::prelude::*;
use pandaflow::ports::StoreError;

use super::sound;
use crate::transport::embedded::{checksum::Checksum, schema::groups};

/// A consumer group's number.
#[derive(Debug, Insertable, Queryable)]
#[diesel(table_name = groups)]
pub(crate) struct GroupRow {
    pub(crate) id: i32,
    pub(crate) name: String,
    crc: i64,
}

impl GroupRow {
    pub(crate) fn new(id: i32, name: &str) -> Self {
        let mut row = Self { id, name: name.into(), crc: 0 };
        row.crc = row.checksum();
        row
    }

    pub(crate) fn checked(self) -> Result<Self, StoreError> {
        sound(self.crc, self.checksum(), format_args!("group {} ({:?})", self.id, self.name))?;
        Ok(self)
    }

    fn checksum(&self) -> i64 {
        Checksum::default().number(self.id.into()).bytes(Some(self.name.as_bytes())).end()
    }
}
