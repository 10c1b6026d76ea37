//! A row of `attempts`.

use diesel::prelude::*;
use pandaflow::{
    Offset, Timestamp, TopicName,
    ports::{FailedAttempts, StoreError},
};

use super::sound;
use crate::transport::embedded::{checksum, schema::attempts};

/// How often an event has failed.
#[derive(Debug, Insertable, Queryable)]
#[diesel(table_name = attempts)]
pub(crate) struct AttemptsRow {
    group_id: i32,
    part: i64,
    pub(crate) topic_id: i32,
    off: i64,
    times: i64,
    first_failed_ms: i64,
    crc: i64,
}

impl AttemptsRow {
    pub(crate) fn new(group_id: i32, part: i64, topic_id: i32, failed: &FailedAttempts) -> Self {
        let mut row = Self {
            group_id,
            part,
            topic_id,
            off: failed.offset.0.cast_signed(),
            times: failed.attempts.into(),
            first_failed_ms: failed.first_failed.0,
            crc: 0,
        };
        row.crc = row.checksum();
        row
    }

    pub(crate) fn checked(self) -> Result<Self, StoreError> {
        let Self { group_id, part, topic_id, off, .. } = self;
        let what = format_args!("the count of attempts of group {group_id}, topic {topic_id}[{part}]@{off},");
        sound(self.crc, self.checksum(), what)?;
        Ok(self)
    }

    pub(crate) fn failed(&self, topic: TopicName) -> FailedAttempts {
        FailedAttempts {
            topic,
            offset: Offset(self.off.cast_unsigned()),
            attempts: u32::try_from(self.times).unwrap_or(u32::MAX),
            first_failed: Timestamp(self.first_failed_ms),
        }
    }

    fn checksum(&self) -> i64 {
        let Self { group_id, part, topic_id, off, times, first_failed_ms, .. } = *self;
        checksum::of_numbers(&[group_id.into(), part, topic_id.into(), off, times, first_failed_ms])
    }
}
