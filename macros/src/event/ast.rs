//! What was written in `#[event(..)]`, unchecked.

use syn::{ExprPath, Ident, LitInt, LitStr, Member};

/// All options.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The word `event` of the attribute; nothing if there is none.
    pub(crate) attribute: Option<Ident>,
    pub(crate) event_type: Option<LitStr>,
    pub(crate) version: Option<LitInt>,
    pub(crate) key: Option<Key>,
    pub(crate) key_with: Option<ExprPath>,
    /// Names of options that were given, also with a value that could not be read.
    pub(crate) given: Vec<&'static str>,
}

/// `key = ..`.
#[derive(Debug)]
pub(crate) enum Key {
    /// Text with fields in it.
    Template(LitStr),
    /// A field that is text itself.
    Field(Member),
}
