//! The trace of a run: one number that is the same if everything happened in the same way, and the lines behind it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// Lines that are kept of one step, at most.
const KEPT: usize = 40;

/// Everything that happened, in order.
pub(super) struct Trace {
    hash: DefaultHasher,
    /// Per step of the plan what followed; `None` if nobody wants to read it.
    steps: Option<Vec<Vec<String>>>,
}

impl Trace {
    /// A trace of which only the number is kept.
    pub(super) fn number() -> Self {
        Self { hash: DefaultHasher::new(), steps: None }
    }

    /// A trace that can be told.
    pub(super) fn told() -> Self {
        Self { hash: DefaultHasher::new(), steps: Some(vec![Vec::new()]) }
    }

    pub(super) fn note(&mut self, now: Duration, line: impl FnOnce() -> String) {
        let line = line();
        (now, &line).hash(&mut self.hash);
        if let Some(lines) = self.steps.as_mut().and_then(|steps| steps.last_mut())
            && lines.len() < KEPT
        {
            lines.push(format!("{:.3} s  {line}", now.as_secs_f64()));
        }
    }

    /// The next step of the plan begins.
    pub(super) fn next_step(&mut self) {
        if let Some(steps) = &mut self.steps {
            steps.push(Vec::new());
        }
    }

    pub(super) fn value(&self) -> u64 {
        self.hash.finish()
    }

    /// What happened before the first step, then after each.
    pub(super) fn take_steps(&mut self) -> Vec<Vec<String>> {
        self.steps.take().unwrap_or_default()
    }
}
