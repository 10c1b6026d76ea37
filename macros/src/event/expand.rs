//! Writes the implementation.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, LitStr, spanned::Spanned};

use super::valid::{Key, Plan};

/// `impl Payload`.
pub(super) fn implementation(input: &DeriveInput, plan: &Plan) -> TokenStream {
    let event_type = &plan.event_type;
    let version = Literal::u32_unsuffixed(plan.version);
    let key = key(&plan.key);
    implementation_of(input, &quote!(#event_type), &version, &key)
}

/// An implementation for a type with mistakes, so that the compiler says nothing beside them.
pub(super) fn stand_in(input: &DeriveInput) -> TokenStream {
    implementation_of(input, &quote!("mistaken"), &Literal::u32_unsuffixed(1), &quote!(::std::unreachable!()))
}

fn implementation_of(
    input: &DeriveInput,
    event_type: &TokenStream,
    version: &Literal,
    key: &TokenStream,
) -> TokenStream {
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #generics ::pandaflow::Payload for #ident #arguments #bounds {
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
        Key::Borrowed { field, span } => quote_spanned! {*span=>
            ::std::borrow::Cow::Borrowed(::std::convert::AsRef::<str>::as_ref(&self.#field))
        },
        Key::Formatted { format, fields, span } => {
            let format = LitStr::new(format, *span);
            quote_spanned! {*span=>
                ::std::borrow::Cow::Owned(::std::format!(#format, #(self.#fields),*))
            }
        }
        Key::Made(path) => quote_spanned!(path.span()=> ::std::convert::Into::into(#path(self))),
    }
}
