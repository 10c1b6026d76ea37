//! The settlement that is being filled: effects of events that ended since the last one was cut.

use pandaflow::{
    DeadLetter, Outgoing, Timestamp, TopicName,
    policy::{ledger::Ledger, watermark::Progress},
    ports::{AttemptChange, Mark, Owner, ParkChange, Settlement, StateChange},
};

/// Effects that wait to be settled together.
#[derive(Debug, Default)]
pub(crate) struct OpenSettlement {
    pub(crate) outputs: Vec<Outgoing>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) attempts: Vec<AttemptChange>,
    pub(crate) parking: Vec<ParkChange>,
    /// Whether the ledger is to be written though nothing has happened.
    pub(crate) ledger_corrected: bool,
    /// Events of the log that ended.
    pub(crate) events: usize,
    /// Bytes of their records.
    pub(crate) bytes: usize,
}

/// A settlement on its way, with what it gives back to the source's demand once it is real.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) settlement: Settlement,
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl OpenSettlement {
    /// Whether there is nothing to settle.
    pub(crate) fn is_empty(&self) -> bool {
        self.events == 0 && self.attempts.is_empty() && self.parking.is_empty() && !self.ledger_corrected
    }

    /// How much there is in it: events that ended, of the log and of those that were parked.
    pub(crate) fn len(&self) -> usize {
        self.events + self.parking.len()
    }

    /// Closes it, as of this progress and ledger.
    pub(crate) fn cut(
        &mut self,
        owner: Owner,
        states: Vec<StateChange>,
        progress: Vec<(TopicName, Progress)>,
        ledger: Ledger,
    ) -> Cut {
        let Self { outputs, marks, dead_letters, attempts, parking, events, bytes, .. } =
            std::mem::take(self);
        let settlement = Settlement {
            owner,
            outputs,
            states,
            marks,
            dead_letters,
            attempts,
            parking,
            progress,
            ledger: ledger.without_in_flight(),
        };
        Cut { settlement, events, bytes }
    }
}

/// The mark of an event that is remembered for `ttl`.
pub(crate) fn mark(id: pandaflow::EventId, now: Timestamp, ttl: std::time::Duration) -> Mark {
    Mark { id, expires: now.after(ttl) }
}
