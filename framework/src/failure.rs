//! How an attempt fails: with a class that says what to do about it.

use std::{error::Error, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, EncodeError};

/// What kind of failure an error is, and so how it is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Passes by itself soon: a time-out, a lost connection, a conflict.
    Transient,
    /// Something that we depend on is down: a database, a broker.
    Infrastructure,
    /// We asked too often.
    RateLimit,
    /// A rule of the business said no, in a way that another try could change.
    Business,
    /// We are not allowed; another try changes nothing.
    Authentication,
    /// The event itself can't be handled, ever.
    Poison,
}

impl ErrorClass {
    /// All classes.
    pub const ALL: [Self; 6] = [
        Self::Transient,
        Self::Infrastructure,
        Self::RateLimit,
        Self::Business,
        Self::Authentication,
        Self::Poison,
    ];

    /// The class's name, as it is written and read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Infrastructure => "infrastructure",
            Self::RateLimit => "rate_limit",
            Self::Business => "business",
            Self::Authentication => "authentication",
            Self::Poison => "poison",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorClass {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == name)
            .ok_or_else(|| format!("{name:?} is no error class; the classes are transient, infrastructure, rate_limit, business, authentication, poison"))
    }
}

/// An error that knows its class. Derive it: `#[derive(Classify)]`, `#[class(transient)]` on each variant.
#[diagnostic::on_unimplemented(
    message = "the error `{Self}` doesn't say its class",
    note = "add `#[derive(Classify)]` and `#[class(transient)]` (or infrastructure, rate_limit, business, authentication, poison) to it or to each of its variants"
)]
pub trait Classify: Error + 'static {
    /// The class of this error.
    fn class(&self) -> ErrorClass;

    /// How long the other side asked us to wait; none by default.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl Classify for std::convert::Infallible {
    fn class(&self) -> ErrorClass {
        match *self {}
    }
}

#[diagnostic::do_not_recommend]
impl<E: Classify> Classify for Box<E> {
    fn class(&self) -> ErrorClass {
        E::class(self)
    }

    fn retry_after(&self) -> Option<Duration> {
        E::retry_after(self)
    }
}

/// What a field that `#[class(.., retry_after = field)]` names may be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` doesn't say how long to wait",
    note = "`retry_after` names a field of `Duration` or `Option<Duration>`"
)]
pub trait Wait {
    /// The wait, if there is one.
    fn wait(&self) -> Option<Duration>;
}

#[diagnostic::do_not_recommend]
impl Wait for Duration {
    fn wait(&self) -> Option<Duration> {
        Some(*self)
    }
}

#[diagnostic::do_not_recommend]
impl Wait for Option<Duration> {
    fn wait(&self) -> Option<Duration> {
        *self
    }
}

/// In what way an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The record's bytes could not be read.
    Undecodable,
    /// The handler returned an error.
    Error,
    /// The handler panicked.
    Panic,
    /// The handler took longer than its time-out.
    Timeout,
    /// What the handler emitted could not be written.
    Unencodable,
    /// The stored state of the key doesn't fit the state's type.
    State,
}

impl FailureKind {
    /// Its name, as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Unencodable => "unencodable",
            Self::State => "state",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One failed attempt, told in text, so that it can be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In what way it failed.
    pub kind: FailureKind,
    /// What to do about it.
    pub class: ErrorClass,
    /// The type of the error, such as `risk::RiskError`.
    pub error_type: String,
    /// What it said.
    pub message: String,
    /// What its sources said, outermost first.
    pub chain: Vec<String>,
    /// How long the other side asked us to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// From a handler's error.
    #[must_use]
    pub fn of<E: Classify>(error: &E) -> Self {
        let mut chain = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push(cause.to_string());
            source = cause.source();
        }
        Self {
            kind: FailureKind::Error,
            class: error.class(),
            error_type: std::any::type_name::<E>().into(),
            message: error.to_string(),
            chain,
            retry_after: error.retry_after(),
        }
    }

    /// A failure without sources.
    #[must_use]
    pub fn new(kind: FailureKind, class: ErrorClass, error_type: &str, message: String) -> Self {
        Self { kind, class, error_type: error_type.into(), message, chain: Vec::new(), retry_after: None }
    }

    /// From a handler's panic: transient, since what caused it may pass.
    #[must_use]
    pub fn panicked(message: String) -> Self {
        Self::new(FailureKind::Panic, ErrorClass::Transient, "panic", message)
    }

    /// From a handler that took longer than `limit`: transient.
    #[must_use]
    pub fn timed_out(limit: Duration) -> Self {
        let message = format!("the handler took longer than {limit:?}");
        Self::new(FailureKind::Timeout, ErrorClass::Transient, "timeout", message)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::new(
            FailureKind::Undecodable,
            ErrorClass::Poison,
            "pandaflow::codec::DecodeError",
            error.to_string(),
        )
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        Self::new(
            FailureKind::Unencodable,
            ErrorClass::Poison,
            "pandaflow::codec::EncodeError",
            error.to_string(),
        )
    }
}
