//! Marks of events that another store settles, in a transaction of their own.

use std::sync::PoisonError;

use pandaflow::{
    Timestamp,
    ports::{Mark, Owner, StoreError},
};

use super::{Desk, transaction::Pen};
use crate::transport::embedded::connection::{failed, store_error};

impl Desk {
    /// Writes the marks and ends the claims of their events.
    pub(super) fn mark(&mut self, owner: &Owner, marks: &[Mark]) -> Result<(), StoreError> {
        let writer = &mut self.writer;
        let Some(group) = writer.catalog.group(&owner.group) else {
            let message = format!("{} has no partition here: acquire one before marking events", owner.group);
            return Err(store_error(message));
        };
        let mut pen = Pen::new(&writer.catalog, Timestamp::default().0, std::mem::take(&mut self.scratch));
        let written =
            writer.connection.immediate_transaction(|connection| pen.marks(connection, group, marks));
        self.scratch = pen.end().1;
        if let Err(error) = written {
            self.writer.reconnect();
            return Err(failed("writing dedup marks")(error));
        }
        let mut leases = self.writer.listeners.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.marked(&owner.group, marks);
        Ok(())
    }
}
