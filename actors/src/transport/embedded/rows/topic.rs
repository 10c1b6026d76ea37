//! A row of `topics`.

use std::time::Duration;

use diesel::prelude::*;
use pandaflow::ports::{StoreError, TopicToCreate};

use super::sound;
use crate::transport::embedded::{checksum::Checksum, schema::topics};

/// A topic, without its streams.
#[derive(Debug, Insertable, Queryable, AsChangeset)]
#[diesel(table_name = topics)]
pub(crate) struct TopicRow {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) partitions: i64,
    retention_ms: i64,
    pub(crate) is_table: bool,
    crc: i64,
}

impl TopicRow {
    pub(crate) fn new(id: i32, topic: &TopicToCreate) -> Self {
        let mut row = Self {
            id,
            name: topic.topic.to_string(),
            partitions: topic.partitions.into(),
            retention_ms: i64::try_from(topic.retention.as_millis()).unwrap_or(i64::MAX),
            is_table: topic.table,
            crc: 0,
        };
        row.crc = row.checksum();
        row
    }

    pub(crate) fn retention(&self) -> Duration {
        Duration::from_millis(self.retention_ms.max(0).cast_unsigned())
    }

    pub(crate) fn checked(self) -> Result<Self, StoreError> {
        sound(self.crc, self.checksum(), format_args!("topic {} ({:?})", self.id, self.name))?;
        Ok(self)
    }

    fn checksum(&self) -> i64 {
        Checksum::default()
            .number(self.id.into())
            .bytes(Some(self.name.as_bytes()))
            .number(self.partitions)
            .number(self.retention_ms)
            .number(self.is_table.into())
            .end()
    }
}
