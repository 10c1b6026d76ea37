//! How many dead letters a processor may make before it stops: a bad release must not drain a topic into them.

use std::{collections::VecDeque, fmt};

use crate::DeadLetterRule;

/// How many of the last events the share is taken of.
pub const WINDOW: u64 = 200;

/// The limits of a [`DeadLetterBudget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterLimits {
    /// Dead letters without a success between them, at most; 100 by default.
    pub in_a_row: u64,
    /// Dead letters among the last [`WINDOW`] events, in percent, at most; 50 by default, 100 is no limit. It holds once so many
    /// events have ended.
    pub percent: u64,
}

impl DeadLetterLimits {
    /// No limit at all.
    pub const NONE: Self = Self { in_a_row: u64::MAX, percent: 100 };

    /// These, where a processor declares no others.
    #[must_use]
    pub fn declared(self, rule: DeadLetterRule) -> Self {
        Self {
            in_a_row: rule.in_a_row.map_or(self.in_a_row, u64::from),
            percent: rule.percent.map_or(self.percent, u64::from),
        }
    }
}

impl Default for DeadLetterLimits {
    fn default() -> Self {
        Self { in_a_row: 100, percent: 50 }
    }
}

/// Counts events that succeeded and events that were given up on. Duplicates are neither: they tell nothing of the handler.
///
/// Once it is exhausted it stays so: what would mend the handler is a new release, which begins with a new budget.
///
/// ```
/// use pandaflow::policy::dead_letter_budget::{DeadLetterBudget, DeadLetterLimits, Exhausted};
/// let mut budget = DeadLetterBudget::new(DeadLetterLimits { in_a_row: 2, percent: 100 });
/// assert_eq!(budget.letter(), Ok(()));
/// assert_eq!(budget.letter(), Ok(()));
/// budget.succeeded();
/// assert_eq!(budget.letter(), Ok(()));
/// assert_eq!(budget.letter(), Ok(()));
/// assert_eq!(budget.letter(), Err(Exhausted::InARow { letters: 2 }));
/// ```
#[derive(Debug, Clone)]
pub struct DeadLetterBudget {
    limits: DeadLetterLimits,
    succeeded: u64,
    /// Dead letters made.
    made: u64,
    /// Which of all events the last of them were, within the window.
    places: VecDeque<u64>,
    in_a_row: u64,
    /// How many events had succeeded when the last one was made.
    succeeded_before: u64,
    exhausted: Option<Exhausted>,
}

/// Why no dead letter may be made any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// There were that many without a success between them.
    InARow {
        /// How many.
        letters: u64,
    },
    /// That many of the last events were given up on.
    OfTheLast {
        /// How many, without the one that was refused.
        letters: u64,
        /// Of how many.
        events: u64,
    },
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InARow { letters } => write!(f, "{letters} events in a row were given up on"),
            Self::OfTheLast { letters, events } => {
                write!(f, "{letters} of the last {events} events were given up on")
            }
        }
    }
}

impl DeadLetterBudget {
    /// A budget that nothing has been taken from.
    #[must_use]
    pub fn new(limits: DeadLetterLimits) -> Self {
        Self {
            limits,
            succeeded: 0,
            made: 0,
            places: VecDeque::new(),
            in_a_row: 0,
            succeeded_before: 0,
            exhausted: None,
        }
    }

    /// An event has succeeded, or its handler passed it over.
    #[inline]
    pub fn succeeded(&mut self) {
        self.succeeded += 1;
    }

    /// An event is to be a dead letter.
    ///
    /// # Errors
    /// [`Exhausted`]: it is not to be made, and none after it.
    pub fn letter(&mut self) -> Result<(), Exhausted> {
        let in_a_row = if self.succeeded_before == self.succeeded { self.in_a_row } else { 0 };
        let place = self.succeeded + self.made;
        let oldest = (place + 1).saturating_sub(WINDOW);
        while self.places.front().is_some_and(|earlier| *earlier < oldest) {
            self.places.pop_front();
        }
        let letters = self.places.len() as u64;
        if in_a_row >= self.limits.in_a_row {
            self.exhausted.get_or_insert(Exhausted::InARow { letters: in_a_row });
        } else if place + 1 >= WINDOW && (letters + 1) * 100 > WINDOW * self.limits.percent {
            self.exhausted.get_or_insert(Exhausted::OfTheLast { letters, events: WINDOW - 1 });
        }
        if let Some(why) = self.exhausted {
            return Err(why);
        }
        self.places.push_back(place);
        self.made += 1;
        self.in_a_row = in_a_row + 1;
        self.succeeded_before = self.succeeded;
        Ok(())
    }
}
