//! What was written in `#[processor(..)]`, unchecked.

use syn::{Ident, Lit, LitInt, LitStr, Type};

/// All options.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The word `processor` of the attribute; nothing if there is none.
    pub(crate) attribute: Option<Ident>,
    pub(crate) name: Option<LitStr>,
    pub(crate) inputs: Vec<Channel>,
    pub(crate) tables: Vec<Channel>,
    pub(crate) outputs: Vec<Channel>,
    pub(crate) state: Option<Type>,
    pub(crate) state_version: Option<LitInt>,
    pub(crate) order: Option<LitStr>,
    pub(crate) concurrency: Option<LitInt>,
    pub(crate) timeout: Option<LitStr>,
    pub(crate) retries: Vec<Retry>,
    pub(crate) dead_letters: Option<DeadLetters>,
    pub(crate) dedup: Option<Dedup>,
    pub(crate) guarantee: Option<LitStr>,
    /// Whether the word `transaction` was given.
    pub(crate) transaction: bool,
    /// Names of options that were given, also with a value that could not be read.
    pub(crate) given: Vec<&'static str>,
}

/// `input(..)`, `table(..)` or `output(..)`.
#[derive(Debug)]
pub(crate) struct Channel {
    /// The word before the list.
    pub(crate) keyword: Ident,
    pub(crate) topic: Option<LitStr>,
    pub(crate) event: Option<Type>,
    pub(crate) format: Option<Format>,
    pub(crate) given: Vec<&'static str>,
}

/// `format = ..`.
#[derive(Debug)]
pub(crate) enum Format {
    /// One that the framework has, by name.
    Named(LitStr),
    /// A codec.
    Codec(Box<Type>),
}

/// `retry(..)`.
#[derive(Debug)]
pub(crate) struct Retry {
    /// The word before the list.
    pub(crate) keyword: Ident,
    pub(crate) class: Option<LitStr>,
    pub(crate) attempts: Option<LitInt>,
    pub(crate) backoff: Option<LitStr>,
    /// A number, whole or not.
    pub(crate) multiplier: Option<Lit>,
    pub(crate) jitter: Option<LitStr>,
    pub(crate) in_place: Option<LitStr>,
    pub(crate) park_after: Option<LitInt>,
    pub(crate) give_up_after: Option<LitStr>,
    pub(crate) given: Vec<&'static str>,
}

/// `dead_letters(..)`.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    pub(crate) in_a_row: Option<LitInt>,
    pub(crate) percent: Option<LitInt>,
}

/// `dedup` or `dedup(..)`.
#[derive(Debug)]
pub(crate) struct Dedup {
    pub(crate) ttl: Option<LitStr>,
}
