//! `derive(StreamProcessor)`: attribute → what was written → what is meant → code.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput};

use crate::{generics, mistakes::Mistakes};

mod ast;
mod attr;
mod expand;
mod fallback;
#[cfg(test)]
mod tests;
mod valid;

/// The implementations for `input`, or its mistakes and stand-ins for the implementations.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut mistakes = Mistakes::default();
    check_shape(input, &mut mistakes);
    let written = attr::read(input, &mut mistakes);
    let plan = valid::plan(input, &written, &mut mistakes);
    match (mistakes.into_compile_error(), plan) {
        (None, Some(plan)) => expand::implementations(input, &plan),
        (errors, _) => {
            let stand_ins = fallback::implementations(input, written.state.as_ref());
            quote::quote!(#errors #stand_ins)
        }
    }
}

fn check_shape(input: &DeriveInput, mistakes: &mut Mistakes) {
    let fix = "a stream processor is a struct: put this into a field of one";
    match &input.data {
        Data::Struct(_) => {}
        Data::Enum(data) => mistakes.add(data.enum_token, fix),
        Data::Union(data) => mistakes.add(data.union_token, fix),
    }
    generics::check(&input.generics, "a processor lives as long as its process", mistakes);
}
