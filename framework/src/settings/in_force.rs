//! What `config print` says: each variable's value in force and where it came from.

use std::fmt;

use super::{dotenv, secret::HIDDEN};

/// A variable's value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The variable, for example `RUNTIME__SHUTDOWN_DEADLINE`.
    pub variable: String,
    /// Its value, hidden if it is a secret.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let assignment = if self.value == HIDDEN {
            // A comment, lest a `.env` made of it sets the secret to this.
            format!("# {}={HIDDEN}", self.variable)
        } else {
            format!("{}={}", self.variable, dotenv::quote(&self.value))
        };
        write!(f, "{assignment:<48} # {}", self.source)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was not set.
    Default,
    /// A line of `.env`.
    DotEnv {
        /// Counted from 1.
        line: usize,
    },
    /// The process's environment.
    Environment,
}

impl Source {
    /// The line of `.env`, if it came from there.
    #[must_use]
    pub fn line(self) -> Option<usize> {
        match self {
            Self::DotEnv { line } => Some(line),
            Self::Default | Self::Environment => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::DotEnv { line } => write!(f, ".env line {line}"),
            Self::Environment => f.write_str("environment"),
        }
    }
}
