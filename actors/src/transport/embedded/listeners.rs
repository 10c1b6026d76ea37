//! Who is told after a commit: sources that wait for records, and tables that follow a topic.

use super::{bell::Bells, tables::OpenTables};

/// Who is told after a commit.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) bells: Bells,
    pub(super) tables: OpenTables,
}
