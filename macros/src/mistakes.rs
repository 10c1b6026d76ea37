//! The mistakes found in one derive: all of them are shown at once, each at its token.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// What is wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    /// Adds a mistake that `tokens` made.
    pub(crate) fn add(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds a mistake.
    pub(crate) fn push(&mut self, mistake: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(mistake),
            None => self.0 = Some(mistake),
        }
    }

    /// The value, or nothing and one mistake more.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|mistake| self.push(mistake)).ok()
    }

    /// What `check` makes of a value that was given; nothing if none was, or with one mistake more.
    pub(crate) fn take_some<T, U>(
        &mut self,
        given: &Option<T>,
        check: impl FnOnce(&T) -> syn::Result<U>,
    ) -> Option<U> {
        given.as_ref().and_then(|given| self.take(check(given)))
    }

    /// Nothing if all is right; otherwise what makes the compiler show the mistakes.
    pub(crate) fn into_compile_error(self) -> Option<TokenStream> {
        self.0.map(|mistakes| mistakes.into_compile_error())
    }
}
