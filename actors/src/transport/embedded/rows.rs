//! Rows as they are read: each is checked against its checksum, and a damaged one says where it lies.

mod attempts;
mod dead_letter;
mod dedup;
mod group;
mod latest;
mod owner;
mod parked;
mod progress;
mod put_state;
mod record;
mod state;
mod stream;
mod topic;

pub(super) use attempts::AttemptsRow;
pub(super) use dead_letter::{DeadLetterRow, NewDeadLetter};
pub(super) use dedup::DedupRow;
pub(super) use group::GroupRow;
pub(super) use latest::LatestRow;
pub(super) use owner::OwnerRow;
pub(super) use parked::{NewParked, ParkedRow};
pub(super) use progress::ProgressRow;
pub(super) use put_state::PutState;
pub(super) use record::{Blob, LogRow};
pub(super) use state::StateRow;
pub(super) use stream::StreamRow;
pub(super) use topic::TopicRow;

use pandaflow::ports::StoreError;

use super::connection::store_error;

/// A row whose bytes are not as they were written.
pub(super) fn damaged(what: std::fmt::Arguments<'_>) -> StoreError {
    store_error(format!("{what} is damaged: its checksum does not fit"))
}

/// Checks a row's checksum.
fn sound(stored: i64, computed: i64, what: std::fmt::Arguments<'_>) -> Result<(), StoreError> {
    if stored == computed { Ok(()) } else { Err(damaged(what)) }
}
