//! The error classes, by the names that options use.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};

use crate::names;

/// Name and variant of each class, as in `pandaflow::ErrorClass`.
const CLASSES: [(&str, &str); 6] = [
    ("transient", "Transient"),
    ("infrastructure", "Infrastructure"),
    ("rate_limit", "RateLimit"),
    ("business", "Business"),
    ("authentication", "Authentication"),
    ("poison", "Poison"),
];

/// An error class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(usize);

impl Class {
    /// The class of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        CLASSES.iter().position(|&(known, _)| known == name).map(Self)
    }

    /// The class's name.
    pub(crate) fn name(self) -> &'static str {
        CLASSES[self.0].0
    }

    /// The class as an expression.
    pub(crate) fn expression(self) -> TokenStream {
        let variant = format_ident!("{}", CLASSES[self.0].1, span = Span::call_site());
        quote!(::pandaflow::ErrorClass::#variant)
    }
}

/// All names.
pub(crate) fn all() -> [&'static str; 6] {
    CLASSES.map(|(name, _)| name)
}

/// What to say of a name that is no class.
pub(crate) fn unknown(found: &str) -> String {
    names::unknown("error class", found, &all())
}
