//! Writes the implementation.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::DeriveInput;

use super::valid::{Case, Source};

/// `impl Classify`.
pub(super) fn implementation(input: &DeriveInput, cases: &[Case]) -> TokenStream {
    let classes = cases.iter().map(class);
    let waits: Vec<_> = cases.iter().filter_map(wait).collect();
    let others = (waits.len() < cases.len()).then(|| quote!(_ => ::std::option::Option::None,));
    // Without a case there is no value: `match *self` of an empty enum.
    let matched = if cases.is_empty() { quote!(*self) } else { quote!(self) };
    let retry_after = (!waits.is_empty()).then(|| {
        quote! {
            fn retry_after(&self) -> ::std::option::Option<::std::time::Duration> {
                match self {
                    #(#waits)*
                    #others
                }
            }
        }
    });
    implementation_of(input, &quote!(match #matched { #(#classes)* }), retry_after.as_ref())
}

/// An implementation for a type with mistakes, so that the compiler says nothing beside them.
pub(super) fn stand_in(input: &DeriveInput) -> TokenStream {
    implementation_of(input, &quote!(::std::unreachable!()), None)
}

fn implementation_of(
    input: &DeriveInput,
    class: &TokenStream,
    retry_after: Option<&TokenStream>,
) -> TokenStream {
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #generics ::pandaflow::Classify for #ident #arguments #bounds {
            fn class(&self) -> ::pandaflow::ErrorClass {
                #class
            }
            #retry_after
        }
    }
}

fn class(case: &Case) -> TokenStream {
    let path = path(case);
    match &case.class {
        Source::Class(class) => {
            let class = class.expression();
            quote!(#path { .. } => #class,)
        }
        Source::Field(field, span) => {
            let class = quote_spanned!(*span=> ::pandaflow::Classify::class(source));
            quote!(#path { #field: source, .. } => #class,)
        }
    }
}

fn wait(case: &Case) -> Option<TokenStream> {
    let path = path(case);
    match (&case.class, &case.retry_after) {
        (Source::Field(field, span), _) => {
            let wait = quote_spanned!(*span=> ::pandaflow::Classify::retry_after(source));
            Some(quote!(#path { #field: source, .. } => #wait,))
        }
        (Source::Class(_), Some((field, span))) => {
            let wait = quote_spanned!(*span=> ::pandaflow::Wait::wait(wait));
            Some(quote!(#path { #field: wait, .. } => #wait,))
        }
        (Source::Class(_), None) => None,
    }
}

fn path(case: &Case) -> TokenStream {
    match &case.variant {
        Some(variant) => quote!(Self::#variant),
        None => quote!(Self),
    }
}
