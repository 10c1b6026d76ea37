//! A row of `progress`.

use diesel::prelude::*;
use pandaflow::{policy::watermark::Progress, ports::StoreError};

use super::sound;
use crate::transport::embedded::{checksum::Checksum, connection::store_error, schema::progress};

/// How far a group has come in one partition of a topic.
#[derive(Debug, Insertable, Queryable)]
#[diesel(table_name = progress)]
pub(crate) struct ProgressRow {
    pub(crate) group_id: i32,
    pub(crate) part: i64,
    pub(crate) topic_id: i32,
    settled: String,
    crc: i64,
}

impl ProgressRow {
    pub(crate) fn new(group_id: i32, part: i64, topic_id: i32, settled: &Progress) -> Self {
        let mut row = Self { group_id, part, topic_id, settled: settled.to_string(), crc: 0 };
        row.crc = row.checksum();
        row
    }

    /// What is settled.
    pub(crate) fn settled(&self) -> Result<Progress, StoreError> {
        let Self { group_id, part, topic_id, .. } = self;
        let what = format!("the progress of group {group_id} in partition {part} of topic {topic_id}");
        sound(self.crc, self.checksum(), format_args!("{what}"))?;
        self.settled.parse().map_err(|error| store_error(format!("{what}: {error}")))
    }

    fn checksum(&self) -> i64 {
        Checksum::default()
            .number(self.group_id.into())
            .number(self.part)
            .number(self.topic_id.into())
            .bytes(Some(self.settled.as_bytes()))
            .end()
    }
}
