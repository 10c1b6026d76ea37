//! The delivery ledger: every event that came in ends in exactly one column.

use serde::{Deserialize, Serialize};

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Handled; its effects are confirmed.
    Succeeded,
    /// Passed over by the handler.
    Filtered,
    /// Seen before.
    Duplicate,
    /// Given up on; the dead letter is confirmed.
    DeadLettered,
    /// Put aside durably, to be handled later.
    Parked,
}

/// Counts of the events of a partition by how they ended. Invariant 2: `consumed` is their sum and those in flight.
///
/// ```
/// use pandaflow::policy::ledger::{Ledger, Outcome};
/// let mut ledger = Ledger::default();
/// ledger.consumed(2);
/// ledger.settled(Outcome::Filtered);
/// assert_eq!((ledger.consumed, ledger.filtered, ledger.in_flight()), (2, 1, Some(1)));
/// assert!(!ledger.is_settled());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Events taken in.
    pub consumed: u64,
    /// Handled, effects confirmed.
    pub succeeded: u64,
    /// Passed over by the handler.
    pub filtered: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Given up on, dead letter confirmed.
    pub dead_lettered: u64,
    /// Put aside durably, and not ended yet.
    pub parked: u64,
}

impl Ledger {
    /// Takes in `events` more.
    pub fn consumed(&mut self, events: u64) {
        self.consumed += events;
    }

    /// Ends one event that was in flight.
    #[inline]
    pub fn settled(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Succeeded => &mut self.succeeded,
            Outcome::Filtered => &mut self.filtered,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::DeadLettered => &mut self.dead_lettered,
            Outcome::Parked => &mut self.parked,
        } += 1;
    }

    /// Ends an event that was parked.
    pub fn released(&mut self, outcome: Outcome) {
        self.parked = self.parked.saturating_sub(1);
        self.settled(outcome);
    }

    /// Corrects the ledger by what is found to be parked, where the two don't become real in one transaction: an event that is
    /// counted as parked and is not any more has ended in an earlier life, whose last word was lost. It counts as a duplicate, as
    /// does one that comes again from the log after it has ended. One that is parked and not counted was taken in, in a life whose
    /// progress was lost. Tells whether there was something to correct.
    pub fn parked_are(&mut self, parked: u64) -> bool {
        let ended = self.parked.saturating_sub(parked);
        self.duplicate += ended;
        self.consumed += parked.saturating_sub(self.parked);
        let corrected = parked != self.parked;
        self.parked = parked;
        corrected
    }

    /// Events that have ended, those that are parked among them.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.succeeded + self.filtered + self.duplicate + self.dead_lettered + self.parked
    }

    /// Events taken in that have not ended; `None` if more ended than were taken in: the ledger doesn't balance.
    #[must_use]
    pub fn in_flight(&self) -> Option<u64> {
        self.consumed.checked_sub(self.ended())
    }

    /// Whether all that was taken in has ended.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.in_flight() == Some(0)
    }

    /// Column by column, the sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            consumed: self.consumed + other.consumed,
            succeeded: self.succeeded + other.succeeded,
            filtered: self.filtered + other.filtered,
            duplicate: self.duplicate + other.duplicate,
            dead_lettered: self.dead_lettered + other.dead_lettered,
            parked: self.parked + other.parked,
        }
    }

    /// What is settled, without what is in flight: the form that is stored.
    #[must_use]
    pub fn without_in_flight(&self) -> Self {
        Self { consumed: self.ended(), ..*self }
    }
}
