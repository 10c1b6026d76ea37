//! A row of `log`, and bytes as they are read.

use bytes::Bytes;
use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    prelude::*,
    sql_types::Binary,
    sqlite::{Sqlite, SqliteValue},
};
use pandaflow::{Partition, Record, Timestamp, TopicName, ports::StoreError};

use super::sound;
use crate::transport::embedded::{
    checksum::Checksum, connection::store_error, headers_codec, log_id::offset_of,
};

/// Bytes, read with one allocation.
#[derive(Debug, Clone, FromSqlRow)]
pub(crate) struct Blob(pub(crate) Bytes);

impl FromSql<Binary, Sqlite> for Blob {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(Bytes::copy_from_slice(value.read_blob())))
    }
}

/// A record of the log.
#[derive(Debug, Queryable)]
pub(crate) struct LogRow {
    pub(crate) id: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) crc: i64,
    pub(crate) key: Option<Blob>,
    pub(crate) value: Option<Blob>,
    pub(crate) headers: Option<Blob>,
}

impl LogRow {
    /// Of a row as it is written: its place, time, key, value and encoded headers.
    pub(crate) fn checksum(
        log_id: i64,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Option<&[u8]>,
    ) -> i64 {
        Checksum::default().number(log_id).number(timestamp_ms).bytes(key).bytes(value).bytes(headers).end()
    }

    /// The record, once its bytes are found to be as they were written.
    pub(crate) fn record(self, topic: &TopicName, partition: Partition) -> Result<Record, StoreError> {
        let offset = offset_of(self.id);
        let bytes = |blob: Option<Blob>| blob.map(|blob| blob.0);
        let (key, value, headers) = (bytes(self.key), bytes(self.value), bytes(self.headers));
        let (id, time) = (self.id, self.timestamp_ms);
        let computed = Self::checksum(id, time, key.as_deref(), value.as_deref(), headers.as_deref());
        sound(self.crc, computed, format_args!("record {topic}[{partition}]@{offset}"))?;
        let headers = headers_codec::decode(headers.unwrap_or_default())
            .map_err(|what| store_error(format!("record {topic}[{partition}]@{offset}: {what}")))?;
        Ok(Record {
            topic: topic.clone(),
            partition,
            offset,
            timestamp: Timestamp(self.timestamp_ms),
            key,
            value,
            headers,
        })
    }
}
