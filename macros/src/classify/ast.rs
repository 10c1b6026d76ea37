//! What was written in `#[class(..)]`, unchecked.

use syn::{Ident, Member};

use crate::class::Class;

/// The options of a type or of one variant.
#[derive(Debug)]
pub(crate) struct Written {
    /// The word `class` of the attribute.
    pub(crate) attribute: Ident,
    /// The class; nothing if it is missing or was no class.
    pub(crate) class: Option<(Ident, Is)>,
    pub(crate) retry_after: Option<Member>,
    /// Whether a word stood where the class stands.
    pub(crate) class_given: bool,
}

/// Where the class comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    /// It is this one.
    Class(Class),
    /// It is that of the source.
    Source,
}
