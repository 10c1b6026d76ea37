//! What is told of a run that broke a guarantee: a numbered story in plain words, and how it is run again.

use std::fmt;

use super::{action::Action, input::Input};

/// A guarantee that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: the name of a guarantee, or of an invariant of the user's.
    pub invariant: String,
    /// What was found.
    pub what: String,
}

impl Violation {
    pub(super) fn new(invariant: &str, what: String) -> Self {
        Self { invariant: invariant.into(), what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// A seed that failed, cut down to the steps that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub violation: Violation,
    /// The steps that are left.
    pub actions: Vec<Action>,
    /// How many there were.
    pub drawn: usize,
    /// The limits of the runtime, as they were drawn.
    pub limits: String,
    pub(super) lines: Vec<Line>,
}

/// A step of a story, and what followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    step: String,
    followed: Vec<String>,
}

impl Line {
    /// The lines of a run: before its first step, after each, after the last.
    pub(super) fn all(actions: &[Action], inputs: &[Input], followed: Vec<Vec<String>>) -> Vec<Self> {
        let mut followed = followed.into_iter();
        let mut line = |step| Self { step, followed: followed.next().unwrap_or_default() };
        let mut lines = vec![line("the program starts".to_owned())];
        for action in actions {
            lines.push(line(match action {
                Action::Send(place) | Action::Repeat(place) => {
                    let input = inputs.get(*place).map(|input| format!(" ({input})"));
                    format!("{action}{}", input.unwrap_or_default())
                }
                _ => action.to_string(),
            }));
        }
        lines.push(line("nothing goes wrong any more, and everything ends".to_owned()));
        lines
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} breaks a guarantee. {}", self.seed, self.violation)?;
        writeln!(f, "{} of {} steps are left, with {}:", self.actions.len(), self.drawn, self.limits)?;
        for (number, line) in self.lines.iter().enumerate() {
            writeln!(f, "{number:>4}. {}", line.step)?;
            for followed in &line.followed {
                writeln!(f, "        {followed}")?;
            }
        }
        write!(f, "run it again with .seeds({0}..{1})", self.seed, self.seed.saturating_add(1))
    }
}

impl std::error::Error for Failure {}
