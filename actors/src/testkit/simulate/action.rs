//! What may happen in a run, as plain data: one step of a plan, and how it is told.

use std::{fmt, time::Duration};

use pandaflow::ports::SettleErrorKind;

/// One step of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// The input with this place is sent.
    Send(usize),
    /// It is sent once more, under the same id.
    Repeat(usize),
    /// Everything that can run is polled so many times, and time stands still.
    Turn(u32),
    /// Time goes on.
    Advance(Duration),
    /// The process is gone in an instant; another one starts.
    Crash(Waiting),
    /// The process drains for so long, ends, and starts again.
    Restart(Duration),
    /// A partition of a processor is asked back.
    Revoke(Place),
    /// A partition is taken away at once.
    Lose(Place),
    /// A partition is given (again), in a new epoch.
    Assign(Place),
    /// The next settlements fail so.
    FailSettlements(usize, Refusal),
    /// Settlements wait from now on.
    HoldSettlements,
    /// Settlements become real at once, but that is told so much later.
    LateAnswers(Duration),
    /// The next calls to a store fail.
    FailStore(Store, usize),
    /// Calls to a store hang from now on.
    HangStore(Store),
    /// All stores work again, and what waited is done.
    Heal,
    /// The next attempt that may go wrong does.
    Disturb(Disturbance),
}

/// What becomes of settlements that the store holds when the process goes down: nobody is told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// They never reached it.
    Lost,
    /// They become real.
    Real,
}

/// A partition of a processor, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The processor, in the order of the program.
    pub processor: usize,
    /// The partition.
    pub partition: u32,
}

/// How a settlement fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It may be tried again.
    Retry,
    /// It can't become real as it is.
    Refused,
    /// Its owner must start over.
    StartOver,
}

impl From<Refusal> for SettleErrorKind {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Retry => Self::Retry,
            Refusal::Refused => Self::Refused,
            Refusal::StartOver => Self::StartOver,
        }
    }
}

/// A store beside that of settlements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Store {
    /// Ids that were seen.
    Dedup,
    /// State per key.
    States,
    /// Events that were given up on.
    DeadLetters,
}

/// What goes wrong with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Disturbance {
    /// Before the handler has run, or after it has staged all its effects.
    pub when: When,
    /// What happens then.
    pub what: Trouble,
}

/// Where in an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// The handler is not called.
    Before,
    /// The handler has ended well.
    After,
}

/// How an attempt goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// It fails, and asks to be left alone for so long at least.
    Fails(Duration),
    /// It panics.
    Panics,
    /// It never ends: the time-out takes it.
    Hangs,
    /// It takes so long, and goes on.
    Waits(Duration),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(place) => write!(f, "event {place} is sent"),
            Self::Repeat(place) => write!(f, "event {place} is sent again, with the same id"),
            Self::Turn(polls) => write!(f, "all that can run does, {polls} times"),
            Self::Advance(time) => write!(f, "{time:?} pass"),
            Self::Crash(Waiting::Lost) => {
                f.write_str("the process is killed; settlements on their way are lost")
            }
            Self::Crash(Waiting::Real) => {
                f.write_str("the process is killed; settlements on their way become real all the same")
            }
            Self::Restart(deadline) => {
                write!(f, "the process drains for {deadline:?} at most and starts again")
            }
            Self::Revoke(place) => write!(f, "{place} is revoked"),
            Self::Lose(place) => write!(f, "{place} is lost"),
            Self::Assign(place) => write!(f, "{place} is assigned in a new epoch"),
            Self::FailSettlements(times, how) => write!(f, "the next {times} settlements fail ({how:?})"),
            Self::HoldSettlements => f.write_str("settlements wait from now on"),
            Self::LateAnswers(time) => write!(f, "settlements are answered {time:?} late from now on"),
            Self::FailStore(store, times) => write!(f, "the next {times} calls to {store} fail"),
            Self::HangStore(store) => write!(f, "{store} hangs from now on"),
            Self::Heal => f.write_str("all stores work again"),
            Self::Disturb(Disturbance { when, what }) => {
                match what {
                    Trouble::Fails(Duration::ZERO) => f.write_str("the next attempt fails")?,
                    Trouble::Fails(wait) => {
                        write!(f, "the next attempt fails and asks for a wait of {wait:?}")?
                    }
                    Trouble::Panics => f.write_str("the next attempt panics")?,
                    Trouble::Hangs => f.write_str("the next attempt hangs")?,
                    Trouble::Waits(time) => write!(f, "the next attempt waits for {time:?}")?,
                }
                f.write_str(match when {
                    When::Before => ", before its handler is called",
                    When::After => ", once its handler has ended",
                })
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} of processor {}", self.partition, self.processor)
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dedup => "the dedup store",
            Self::States => "the state store",
            Self::DeadLetters => "the dead-letter store",
        })
    }
}
