//! Notes to a member's thread.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use pandaflow::{
    Epoch, Partition,
    ports::{Demand, Owner, StoreError},
};
use tokio::sync::oneshot;

use super::silence::Heard;
use crate::transport::kafka::{acquire::Found, bell::Bell, core::Core, desk::Desk};

/// What the thread is told.
pub(super) enum Note {
    /// Start a partition over.
    Restart(Partition, oneshot::Sender<Result<(), StoreError>>),
    /// What was looked up of partitions, and for which of their assignments.
    Found(Vec<(Partition, u64)>, Result<Vec<Found>, StoreError>),
    /// An owner has drained and let go.
    Released(Partition, Epoch),
    /// What the log has of partitions that gave nothing for a while.
    Heard(Result<Heard, StoreError>),
    /// Give everything back and leave.
    Close,
}

/// Notes, commits to be sent, and the bell that tells of both.
#[derive(Default)]
pub(super) struct Notes {
    notes: Mutex<VecDeque<Note>>,
    pub(super) bell: Arc<Bell>,
    pub(super) commits: Arc<Desk>,
}

impl Notes {
    /// Leaves a note. Bounded by the partitions: a few for each at most.
    pub(super) fn leave(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push_back(note);
        self.bell.ring();
    }

    pub(super) fn take(&self) -> Option<Note> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Held by an owner that drains; once let go, nothing of that owner is settled any more.
pub(super) struct Released {
    pub(super) core: Arc<Core>,
    pub(super) notes: Arc<Notes>,
    pub(super) owner: Owner,
}

impl Drop for Released {
    fn drop(&mut self) {
        self.core.owners.retire(&self.owner);
        self.notes.leave(Note::Released(self.owner.partition, self.owner.epoch));
    }
}

/// How much of a partition was asked for and has not been delivered.
pub(super) struct Wants {
    open: Mutex<(usize, i128)>,
    bell: Arc<Bell>,
}

impl Wants {
    pub(super) fn new(bell: &Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), bell: Arc::clone(bell) })
    }

    /// Events and bytes; the bytes are below zero by the part of a record that went over.
    pub(super) fn open(&self) -> (usize, i128) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, events: usize, bytes: usize) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.0 = open.0.saturating_sub(events);
        open.1 -= bytes as i128;
    }
}

impl Demand for Wants {
    fn request(&self, events: usize, bytes: usize) {
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.0 = open.0.saturating_add(events);
            open.1 = open.1.saturating_add(bytes as i128);
        }
        self.bell.ring();
    }
}
