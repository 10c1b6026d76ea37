//! The key of a row of the log: stream and offset in one integer.

use pandaflow::Offset;

/// Bits of the offset: 10^12 records a partition.
const OFFSET_BITS: u32 = 40;

/// The key of the record at `offset` of a stream.
pub(super) fn log_id(stream: i64, offset: u64) -> i64 {
    (stream << OFFSET_BITS) | offset.cast_signed()
}

/// The offset in a key.
pub(super) fn offset_of(log_id: i64) -> Offset {
    Offset((log_id & ((1 << OFFSET_BITS) - 1)).cast_unsigned())
}

/// The stream in a key.
pub(super) fn stream_of(log_id: i64) -> i64 {
    log_id >> OFFSET_BITS
}
