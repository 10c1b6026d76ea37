//! Marks of events that another store settles, in a transaction of their own.

use std::sync::{Arc, PoisonError};

use pandaflow::{
    Timestamp,
    ports::{Mark, Owner, Standing, StoreError},
};

use super::{Desk, transaction::Pen};
use crate::transport::embedded::connection::{failed, store_error};

impl Desk {
    /// Writes the marks and ends the claims of their events, unless a later owner has fenced this one.
    pub(super) fn mark(&mut self, owner: &Owner, marks: &[Mark]) -> Result<Standing, StoreError> {
        let writer = &mut self.writer;
        let Some(group) = writer.catalog.group(&owner.group) else {
            let message = format!("{} has no partition here: acquire one before marking events", owner.group);
            return Err(store_error(message));
        };
        // Held until they are written: no fence comes in between.
        let listeners = Arc::clone(&writer.listeners);
        let mut leases = listeners.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = leases.standing(&owner.group, owner);
        if standing != Standing::InForce {
            return Ok(standing);
        }
        let mut pen = Pen::new(&writer.catalog, Timestamp::default().0, std::mem::take(&mut self.scratch));
        let written =
            writer.connection.immediate_transaction(|connection| pen.marks(connection, group, marks));
        self.scratch = pen.end().1;
        if let Err(error) = written {
            self.writer.reconnect();
            return Err(failed("writing dedup marks")(error));
        }
        leases.marked(&owner.group, marks);
        Ok(standing)
    }
}
