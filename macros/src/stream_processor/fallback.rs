//! Stand-ins for the implementations of a processor with mistakes: they keep its state and let it emit and look up
//! whatever it likes, so that the compiler says nothing beside the mistakes themselves.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Type, parse_quote};

use crate::generics;

/// The stand-ins.
pub(super) fn implementations(input: &DeriveInput, state: Option<&Type>) -> TokenStream {
    let ident = &input.ident;
    let (parameters, arguments) = generics::for_stand_in(&input.generics);
    let (generics, _, bounds) = parameters.split_for_impl();
    let target = quote!(#ident<#(#arguments),*> #bounds);
    let mut with_event = parameters.clone();
    with_event.params.push(parse_quote!(__E: ::pandaflow::Payload));
    let (generics_with_event, ..) = with_event.split_for_impl();
    let state = state.map_or_else(|| quote!(()), |state| quote!(#state));
    let any_format = any_format();
    quote! {
        const _: () = {
            #any_format
            impl #generics ::pandaflow::StreamProcessor for #target {
                type State = #state;
                const DECLARATION: ::pandaflow::Declaration = ::pandaflow::Declaration {
                    name: "",
                    inputs: &[],
                    tables: &[],
                    outputs: &[],
                    state_version: 1,
                    order: ::pandaflow::Order::Key,
                    concurrency: 1,
                    timeout: ::pandaflow::Declaration::DEFAULT_TIMEOUT,
                    retries: &[],
                    dead_letters: ::pandaflow::DeadLetterRule::UNCHANGED,
                    dedup: ::std::option::Option::None,
                    guarantee: ::std::option::Option::None,
                    transaction: false,
                };
                async fn attempt(
                    &mut self,
                    _: usize,
                    _: &::pandaflow::Record,
                    _: &mut ::pandaflow::Context<Self>,
                ) -> ::std::result::Result<(), ::pandaflow::Failure> {
                    ::std::unreachable!()
                }
                fn peek_id(_: usize, _: &::pandaflow::Record) -> ::std::option::Option<::pandaflow::EventId> {
                    ::std::unreachable!()
                }
            }
            impl #generics ::pandaflow::Stateful for #target {}
            impl #generics_with_event ::pandaflow::Emits<__E> for #target {
                const OUTPUT: usize = 0;
                type Format = AnyFormat;
            }
            impl #generics_with_event ::pandaflow::LooksUp<__E> for #target {
                const TABLE: usize = 0;
                type Format = AnyFormat;
            }
        };
    }
}

fn any_format() -> TokenStream {
    quote! {
        pub struct AnyFormat;
        impl<E> ::pandaflow::codec::Encode<E> for AnyFormat {
            fn encode(
                _: &::pandaflow::EventMeta,
                _: &E,
            ) -> ::std::result::Result<::pandaflow::codec::Bytes, ::pandaflow::codec::EncodeError> {
                ::std::unreachable!()
            }
        }
        impl<E> ::pandaflow::codec::Decode<E> for AnyFormat {
            fn decode(
                _: &::pandaflow::Record,
                _: &[u8],
            ) -> ::std::result::Result<::pandaflow::Event<E>, ::pandaflow::codec::DecodeError> {
                ::std::unreachable!()
            }
            fn peek_id(_: &::pandaflow::Record) -> ::std::option::Option<::pandaflow::EventId> {
                ::std::unreachable!()
            }
        }
    }
}
