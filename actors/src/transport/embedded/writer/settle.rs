//! Group commit: queued settlements become real in one transaction, and each is answered for itself.

use std::{collections::HashMap, sync::PoisonError};

use diesel::SqliteConnection;
use pandaflow::{
    Partition,
    ports::{SettleError, SettleErrorKind},
};

use super::{
    Desk,
    transaction::{Pen, Written},
};
use crate::transport::embedded::{admission::check, connection::store_error, queue::SettleJob};

/// A settlement that may be written.
struct Admitted {
    group: i32,
    job: SettleJob,
}

impl Desk {
    /// Settles all that may settle, in order. If the transaction fails, each is tried in one of its own, so that
    /// one that SQLite can't take spoils no other.
    pub(super) fn settle(&mut self, jobs: Vec<SettleJob>) {
        let admitted: Vec<Admitted> = jobs.into_iter().filter_map(|job| self.admit(job)).collect();
        match self.write(&admitted) {
            Ok(written) => self.confirm(admitted, written),
            Err(_) if admitted.len() > 1 => {
                for Admitted { job, .. } in admitted {
                    self.settle_alone(job);
                }
            }
            Err(error) => {
                admitted.into_iter().for_each(|one| self.refuse(one.job, Some(one.group), error.clone()))
            }
        }
    }

    fn settle_alone(&mut self, job: SettleJob) {
        let Some(admitted) = self.admit(job) else { return };
        match self.write(std::slice::from_ref(&admitted)) {
            Ok(written) => self.confirm(vec![admitted], written),
            Err(error) => self.refuse(admitted.job, Some(admitted.group), error),
        }
    }

    fn admit(&mut self, job: SettleJob) -> Option<Admitted> {
        let group = self.writer.catalog.group(&job.settlement().owner.group);
        match self.writer.owners.admit(group, &job) {
            Ok(group) => match check(&self.writer.catalog, job.settlement()) {
                Ok(()) => Some(Admitted { group, job }),
                Err(error) => {
                    self.refuse(job, Some(group), error);
                    None
                }
            },
            Err(error) => {
                self.refuse(job, None, error);
                None
            }
        }
    }

    /// Writes all of them, or nothing.
    fn write(&mut self, admitted: &[Admitted]) -> Result<Written, SettleError> {
        if admitted.is_empty() {
            return Ok(Written::default());
        }
        let writer = &mut self.writer;
        let now = writer.config.clock.now().0;
        let mut pen = Pen::new(&writer.catalog, now, std::mem::take(&mut self.scratch));
        #[cfg(feature = "testkit")]
        let faults = writer.config.faults.clone();
        // After an error that SQLite answers by rolling back itself, diesel tells of its own rollback alone.
        let mut cause = None;
        let result = writer.connection.immediate_transaction(|connection| {
            write_all(&mut pen, connection, admitted).inspect_err(|error| cause = Some(error.to_string()))?;
            #[cfg(feature = "testkit")]
            if faults.take_commit() {
                return Err(diesel::result::Error::RollbackTransaction);
            }
            Ok(())
        });
        let (written, scratch) = pen.end();
        self.scratch = scratch;
        result.map(|()| written).map_err(|error: diesel::result::Error| {
            self.writer.reconnect();
            let cause = cause.unwrap_or_else(|| error.to_string());
            let source = store_error(format!("writing to {}: {cause}", self.writer.file.display()));
            SettleError { kind: SettleErrorKind::Retry, source }
        })
    }

    /// Tells everybody what is real now: first who reads, then who waits.
    fn confirm(&mut self, admitted: Vec<Admitted>, written: Written) {
        let listeners = &self.writer.listeners;
        written.publish(listeners);
        for one in &admitted {
            let settlement = one.job.settlement();
            if !settlement.marks.is_empty() {
                let mut leases = listeners.leases.lock().unwrap_or_else(PoisonError::into_inner);
                leases.marked(&settlement.owner.group, &settlement.marks);
            }
        }
        for one in admitted {
            one.job.confirm();
        }
    }

    fn refuse(&mut self, job: SettleJob, group: Option<i32>, error: SettleError) {
        let read = group.and_then(|group| self.writer.owners.failed(group, job.settlement(), error.kind));
        job.refuse(error, read);
    }
}

/// Writes the rows of all, and of what is replaced by a later settlement of the group only the last.
fn write_all(
    pen: &mut Pen<'_>,
    connection: &mut SqliteConnection,
    admitted: &[Admitted],
) -> Result<(), diesel::result::Error> {
    let mut progress: HashMap<(i32, Partition, i32), _> = HashMap::new();
    let mut ledgers: HashMap<(i32, Partition), _> = HashMap::new();
    for Admitted { group, job } in admitted {
        let settlement = job.settlement();
        let partition = settlement.owner.partition;
        pen.outputs(connection, &settlement.outputs)?;
        pen.states(connection, *group, &settlement.states)?;
        pen.marks(connection, *group, &settlement.marks)?;
        pen.dead_letters(connection, &settlement.dead_letters)?;
        pen.attempts(connection, *group, partition, &settlement.attempts)?;
        pen.parking(connection, *group, partition, &settlement.parking)?;
        for (topic, settled) in &settlement.progress {
            progress.insert((*group, partition, pen.topic(topic)?.id), settled);
        }
        ledgers.insert((*group, partition), (settlement.owner.epoch, &settlement.ledger));
    }
    pen.latest(connection)?;
    for ((group, partition, topic), settled) in progress {
        pen.progress(connection, group, partition, topic, settled)?;
    }
    for ((group, partition), (epoch, ledger)) in ledgers {
        pen.owner(connection, group, partition, epoch, ledger)?;
    }
    Ok(())
}
