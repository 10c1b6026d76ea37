//! A row of `owners`: the newest owner of a group's partition, and its ledger.

use diesel::prelude::*;
use pandaflow::{Epoch, policy::ledger::Ledger, ports::StoreError};

use super::sound;
use crate::transport::embedded::{checksum, schema::owners};

/// The newest owner of a group's partition.
#[derive(Debug, Insertable, Queryable)]
#[diesel(table_name = owners)]
pub(crate) struct OwnerRow {
    pub(crate) group_id: i32,
    pub(crate) part: i64,
    epoch: i64,
    consumed: i64,
    succeeded: i64,
    filtered: i64,
    duplicate: i64,
    dead_lettered: i64,
    parked: i64,
    crc: i64,
}

impl OwnerRow {
    pub(crate) fn new(group_id: i32, part: i64, epoch: Epoch, ledger: &Ledger) -> Self {
        let mut row = Self {
            group_id,
            part,
            epoch: epoch.0.cast_signed(),
            consumed: ledger.consumed.cast_signed(),
            succeeded: ledger.succeeded.cast_signed(),
            filtered: ledger.filtered.cast_signed(),
            duplicate: ledger.duplicate.cast_signed(),
            dead_lettered: ledger.dead_lettered.cast_signed(),
            parked: ledger.parked.cast_signed(),
            crc: 0,
        };
        row.crc = row.checksum();
        row
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.cast_unsigned())
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger {
            consumed: self.consumed.cast_unsigned(),
            succeeded: self.succeeded.cast_unsigned(),
            filtered: self.filtered.cast_unsigned(),
            duplicate: self.duplicate.cast_unsigned(),
            dead_lettered: self.dead_lettered.cast_unsigned(),
            parked: self.parked.cast_unsigned(),
        }
    }

    pub(crate) fn checked(self) -> Result<Self, StoreError> {
        let (group, part) = (self.group_id, self.part);
        sound(self.crc, self.checksum(), format_args!("the ledger of group {group}, partition {part},"))?;
        Ok(self)
    }

    fn checksum(&self) -> i64 {
        checksum::of_numbers(&[
            self.group_id.into(),
            self.part,
            self.epoch,
            self.consumed,
            self.succeeded,
            self.filtered,
            self.duplicate,
            self.dead_lettered,
            self.parked,
        ])
    }
}
