//! A row of `latest`.

use bytes::Bytes;
use diesel::prelude::*;
use pandaflow::{Partition, Record, TopicName, ports::StoreError};

use super::{Blob, LogRow};

/// The latest record of a key.
#[derive(Debug, Queryable)]
pub(crate) struct LatestRow {
    key: Blob,
    log_id: i64,
    timestamp_ms: i64,
    crc: i64,
    value: Option<Blob>,
    headers: Option<Blob>,
}

impl LatestRow {
    /// The key of the record in the log.
    pub(crate) fn log_id(&self) -> i64 {
        self.log_id
    }

    /// The record; its checksum is that of the record in the log.
    pub(crate) fn record(
        self,
        topic: &TopicName,
        partition: Partition,
    ) -> Result<(Bytes, Record), StoreError> {
        let key = self.key.0.clone();
        let row = LogRow {
            id: self.log_id,
            timestamp_ms: self.timestamp_ms,
            crc: self.crc,
            key: Some(self.key),
            value: self.value,
            headers: self.headers,
        };
        Ok((key, row.record(topic, partition)?))
    }
}
