//! Who is told after a commit: sources that wait for records, tables that follow a topic, and dedup, whose leases end
//! with the marks.

use std::sync::Mutex;

use super::{bell::Bells, leases::Leases, tables::OpenTables};

/// Who is told after a commit.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) bells: Bells,
    pub(super) tables: OpenTables,
    pub(super) leases: Mutex<Leases>,
}
