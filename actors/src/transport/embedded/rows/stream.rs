//! A row of `streams`.

use diesel::prelude::*;
use pandaflow::ports::StoreError;

use super::sound;
use crate::transport::embedded::{checksum, schema::streams};

/// One partition of a topic.
#[derive(Debug, Clone, Insertable, Queryable, AsChangeset)]
#[diesel(table_name = streams)]
pub(crate) struct StreamRow {
    pub(crate) id: i64,
    pub(crate) topic_id: i32,
    pub(crate) part: i64,
    /// What lies below has been pruned.
    pub(crate) first_off: i64,
    /// The next offset is at least this one.
    pub(crate) next_off: i64,
    crc: i64,
}

impl StreamRow {
    pub(crate) fn new(id: i64, topic_id: i32, part: i64, first_off: i64, next_off: i64) -> Self {
        let mut row = Self { id, topic_id, part, first_off, next_off, crc: 0 };
        row.crc = row.checksum();
        row
    }

    /// The same stream after it was pruned.
    pub(crate) fn pruned(&self, first_off: i64, next_off: i64) -> Self {
        Self::new(self.id, self.topic_id, self.part, first_off, next_off)
    }

    pub(crate) fn checked(self) -> Result<Self, StoreError> {
        let (part, topic) = (self.part, self.topic_id);
        sound(self.crc, self.checksum(), format_args!("the row of partition {part} of topic {topic}"))?;
        Ok(self)
    }

    fn checksum(&self) -> i64 {
        let Self { id, topic_id, part, first_off, next_off, .. } = *self;
        checksum::of_numbers(&[id, topic_id.into(), part, first_off, next_off])
    }
}
