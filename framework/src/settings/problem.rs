//! What is wrong with the settings, all of it together.

use std::fmt;

/// Longest part of a value that a message quotes, in characters.
const QUOTED: usize = 100;

/// One thing that is wrong, with what would be right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    variable: String,
    line: Option<usize>,
    value: Option<String>,
    reason: String,
}

impl Problem {
    /// A problem with a variable, or with a file, as such.
    #[must_use]
    pub fn new(variable: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { variable: variable.into(), line: None, value: None, reason: reason.into() }
    }

    /// Names the line of `.env` that it stands in.
    #[must_use]
    pub fn in_line(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }

    /// Quotes the value. Secrets have to be hidden before.
    #[must_use]
    pub fn with_value(mut self, value: &str) -> Self {
        let mut quoted: String = value.chars().take(QUOTED).collect();
        if quoted.len() < value.len() {
            quoted.push('…');
        }
        self.value = Some(quoted);
        self
    }

    /// The variable, for example `RUNTIME__SHUTDOWN_DEADLINE`, or the file.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// What is wrong and what would be right.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.variable)?;
        if let Some(value) = &self.value {
            write!(f, " = {value:?}")?;
        }
        if let Some(line) = self.line {
            write!(f, " (.env line {line})")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Everything that is wrong with the settings: one line each, sorted by variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct SettingsErrors {
    problems: Vec<Problem>,
}

impl SettingsErrors {
    /// The problems, sorted, each once.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { problems }
    }

    /// The problems, sorted by variable.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn lines(&self) -> String {
        let lines: Vec<_> = self.problems.iter().map(Problem::to_string).collect();
        lines.join("\n")
    }
}

impl From<Problem> for SettingsErrors {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
    }
}
