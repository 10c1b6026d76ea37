//! Writes the implementation.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, LitStr, Member, spanned::Spanned};

use super::valid::{Key, Plan};
use crate::generics;

/// `impl Payload`.
pub(super) fn implementation(input: &DeriveInput, plan: &Plan) -> TokenStream {
    let event_type = &plan.event_type;
    let version = Literal::u32_unsuffixed(plan.version);
    let key = key(&plan.key);
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let target = quote!(#ident #arguments #bounds);
    payload(&quote!(#generics), &target, &quote!(#event_type), &version, &key)
}

/// An implementation for a type with mistakes, so that the compiler says nothing beside them.
pub(super) fn stand_in(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    let (parameters, arguments) = generics::for_stand_in(&input.generics);
    let (generics, _, bounds) = parameters.split_for_impl();
    let target = quote!(#ident<#(#arguments),*> #bounds);
    let version = Literal::u32_unsuffixed(1);
    payload(&quote!(#generics), &target, &quote!("mistaken"), &version, &quote!(::std::unreachable!()))
}

fn payload(
    generics: &TokenStream,
    target: &TokenStream,
    event_type: &TokenStream,
    version: &Literal,
    key: &TokenStream,
) -> TokenStream {
    quote! {
        #[automatically_derived]
        #[diagnostic::do_not_recommend]
        impl #generics ::pandaflow::Payload for #target {
            const TYPE: ::pandaflow::EventType = ::pandaflow::EventType::new(#event_type);
            const VERSION: u32 = #version;

            fn key(&self) -> ::std::borrow::Cow<'_, str> {
                #key
            }
        }
    }
}

fn key(key: &Key) -> TokenStream {
    match key {
        Key::Borrowed { field, span } => {
            let field = at(field, *span);
            quote_spanned!(*span=> ::std::borrow::Cow::Borrowed(::pandaflow::KeyText::key_text(&self.#field)))
        }
        Key::Formatted { format, fields, span } => {
            let format = LitStr::new(format, *span);
            let fields = fields.iter().map(|field| at(field, *span));
            quote_spanned! {*span=>
                ::std::borrow::Cow::Owned(::std::format!(#format, #(self.#fields),*))
            }
        }
        Key::Made(path) => quote_spanned!(path.span()=> ::std::convert::Into::into(#path(self))),
    }
}

/// The field, as if it stood at `span`: there an error is shown.
fn at(field: &Member, span: Span) -> Member {
    let mut field = field.clone();
    match &mut field {
        Member::Named(name) => name.set_span(span),
        Member::Unnamed(index) => index.span = span,
    }
    field
}
