//! `derive(Classify)`: attributes → what was written → what is meant → code.

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::mistakes::Mistakes;

mod ast;
mod attr;
mod expand;
mod valid;

/// The implementation for `input`, or its mistakes and a stand-in for the implementation.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let plan = valid::plan(input, &mut mistakes);
    match mistakes.into_compile_error() {
        None => expand::implementation(input, &plan),
        Some(errors) => {
            let stand_in = expand::stand_in(input);
            quote::quote!(#errors #stand_in)
        }
    }
}
