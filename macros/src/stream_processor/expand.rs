//! Writes the implementations.

use std::time::Duration;

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{DeriveInput, Type, spanned::Spanned};

use super::valid::{Channel, DeadLetters, Format, Input, Plan, Retry};
use crate::duration;

/// All implementations for a struct.
pub(super) fn implementations(input: &DeriveInput, plan: &Plan) -> TokenStream {
    let processor = processor(input, plan);
    let stateful = plan.state.as_ref().map(|_| {
        let (head, target) = heads(input);
        quote! {
            #[automatically_derived]
            #head ::pandaflow::Stateful for #target {}
        }
    });
    let takes = plan.inputs.iter().enumerate().flat_map(|(index, topic)| {
        topic.events.iter().map(move |(event, format)| takes(input, index, event, format))
    });
    let emits = plan.outputs.iter().enumerate().map(|(index, output)| emits(input, index, output));
    let looks_up = plan.tables.iter().enumerate().map(|(index, table)| looks_up(input, index, table));
    let distinct = distinct(input, plan);
    quote!(#processor #stateful #(#takes)* #(#emits)* #(#looks_up)* #distinct)
}

/// `impl<T>` and `Target<T> where ..`; the where clause goes along, as nothing follows the target.
fn heads(input: &DeriveInput) -> (TokenStream, TokenStream) {
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    (quote!(impl #generics), quote!(#ident #arguments #bounds))
}

fn processor(input: &DeriveInput, plan: &Plan) -> TokenStream {
    let (head, target) = heads(input);
    let state = plan.state.as_ref().map_or_else(|| quote!(()), |state| quote!(#state));
    let declaration = declaration(plan);
    let attempts = plan.inputs.iter().enumerate().map(|(index, input)| attempt(index, input));
    let peeks = plan.inputs.iter().enumerate().filter_map(|(index, input)| peek(index, input));
    quote! {
        #[automatically_derived]
        #head ::pandaflow::StreamProcessor for #target {
            type State = #state;

            const DECLARATION: ::pandaflow::Declaration = #declaration;

            async fn attempt(
                &mut self,
                input: usize,
                record: &::pandaflow::Record,
                ctx: &mut ::pandaflow::Context<Self>,
            ) -> ::std::result::Result<(), ::pandaflow::Failure> {
                match input {
                    #(#attempts)*
                    _ => ::std::result::Result::Err(::pandaflow::processor::no_such_input(input)),
                }
            }

            fn peek_id(
                input: usize,
                record: &::pandaflow::Record,
            ) -> ::std::option::Option<::pandaflow::EventId> {
                match input {
                    #(#peeks)*
                    _ => ::std::option::Option::None,
                }
            }
        }
    }
}

fn declaration(plan: &Plan) -> TokenStream {
    let name = &plan.name;
    let inputs = plan.inputs.iter().enumerate().map(|(index, input)| declared(index, input));
    let tables = plan.tables.iter().map(|Channel { topic, event, .. }| {
        let event = event_type(event);
        quote!(::pandaflow::Table { topic: #topic, event: #event })
    });
    let outputs = plan.outputs.iter().map(|Channel { topic, event, .. }| {
        let event = event_type(event);
        quote!(::pandaflow::Output { topic: #topic, event: #event })
    });
    let state_version = Literal::u32_unsuffixed(plan.state_version);
    let order = format_ident!("{}", plan.order);
    let concurrency = plan.concurrency.map_or_else(
        || quote!(::pandaflow::Declaration::DEFAULT_CONCURRENCY),
        |concurrency| {
            let concurrency = Literal::u32_unsuffixed(concurrency);
            quote!(#concurrency)
        },
    );
    let timeout =
        plan.timeout.map_or_else(|| quote!(::pandaflow::Declaration::DEFAULT_TIMEOUT), duration::expression);
    let retries = plan.retries.iter().map(retry);
    let dead_letters = dead_letters(plan.dead_letters.as_ref());
    let dedup = option(plan.dedup.map(|ttl| {
        let ttl = ttl.map_or_else(|| quote!(::pandaflow::Dedup::DEFAULT_TTL), duration::expression);
        quote!(::pandaflow::Dedup { ttl: #ttl })
    }));
    let guarantee = option(plan.guarantee.map(|guarantee| {
        let guarantee = format_ident!("{guarantee}");
        quote!(::pandaflow::Guarantee::#guarantee)
    }));
    let transaction = plan.transaction;
    quote! {
        ::pandaflow::Declaration {
            name: #name,
            inputs: &[#(#inputs),*],
            tables: &[#(#tables),*],
            outputs: &[#(#outputs),*],
            state_version: #state_version,
            order: ::pandaflow::Order::#order,
            concurrency: #concurrency,
            timeout: #timeout,
            retries: &[#(#retries),*],
            dead_letters: #dead_letters,
            dedup: #dedup,
            guarantee: #guarantee,
            transaction: #transaction,
        }
    }
}

fn declared(index: usize, Input { topic, events }: &Input) -> TokenStream {
    let index = Literal::usize_unsuffixed(index);
    let types = events.iter().map(|(event, _)| {
        quote_spanned!(event.span()=> ::pandaflow::processor::event_type::<Self, #event, #index>())
    });
    quote!(::pandaflow::Input { topic: #topic, events: &[#(#types),*] })
}

fn event_type(event: &Type) -> TokenStream {
    quote_spanned!(event.span()=> <#event as ::pandaflow::Payload>::TYPE)
}

fn number(number: Option<u32>) -> TokenStream {
    option(number.map(|number| {
        let number = Literal::u32_unsuffixed(number);
        quote!(#number)
    }))
}

fn dead_letters(rule: Option<&DeadLetters>) -> TokenStream {
    let Some(rule) = rule else { return quote!(::pandaflow::DeadLetterRule::UNCHANGED) };
    let (in_a_row, percent) = (number(rule.in_a_row), number(rule.percent));
    quote!(::pandaflow::DeadLetterRule { in_a_row: #in_a_row, percent: #percent })
}

fn retry(rule: &Retry) -> TokenStream {
    let time = |time: Option<Duration>| option(time.map(duration::expression));
    let class = option(rule.class.map(|class| class.expression()));
    let (attempts, park_after) = (number(rule.attempts), number(rule.park_after));
    let (base, cap) = (time(rule.backoff.map(|(base, _)| base)), time(rule.backoff.map(|(_, cap)| cap)));
    let (in_place, give_up_after) = (time(rule.in_place), time(rule.give_up_after));
    let multiplier = option(rule.multiplier.map(|thousandths| {
        let thousandths = Literal::u32_unsuffixed(thousandths);
        quote!(::pandaflow::policy::retry::Multiplier::of_thousandths(#thousandths))
    }));
    let jitter = option(rule.jitter.map(|jitter| {
        let jitter = format_ident!("{jitter}");
        quote!(::pandaflow::policy::retry::Jitter::#jitter)
    }));
    quote! {
        ::pandaflow::RetryRule {
            class: #class,
            attempts: #attempts,
            base: #base,
            cap: #cap,
            multiplier: #multiplier,
            jitter: #jitter,
            in_place: #in_place,
            park_after: #park_after,
            give_up_after: #give_up_after,
        }
    }
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::std::option::Option::Some(#value)),
        None => quote!(::std::option::Option::None),
    }
}

/// `impl Takes<E, INDEX>`, at the event's token: there a missing handler is to be seen.
fn takes(input: &DeriveInput, index: usize, event: &Type, format: &Format) -> TokenStream {
    let mut input = input.clone();
    input.ident.set_span(event.span());
    let (head, target) = heads(&input);
    let index = Literal::usize_unsuffixed(index);
    let codec = &format.codec;
    quote_spanned! {event.span()=>
        #[automatically_derived]
        #head ::pandaflow::processor::Takes<#event, #index> for #target {
            type Event = #event;
            type Format = #codec;
        }
    }
}

/// The arm of an input: one event is decoded at once, several are told apart by the envelope's type.
fn attempt(index: usize, input: &Input) -> TokenStream {
    let index = Literal::usize_unsuffixed(index);
    let call = |(event, _): &(Type, Format)| {
        quote_spanned! {event.span()=>
            ::pandaflow::processor::take::<Self, #event, #index>(self, record, ctx).await
        }
    };
    let Some((last, others)) = input.events.split_last().filter(|(_, others)| !others.is_empty()) else {
        let call = input.events.iter().map(call);
        return quote!(#index => #(#call)*,);
    };
    let arms = others.iter().enumerate().map(|(event_index, event)| {
        let event_index = Literal::usize_unsuffixed(event_index);
        let call = call(event);
        quote!(#event_index => #call,)
    });
    let last = call(last);
    quote! {
        #index => match ::pandaflow::processor::event_type_of(record, Self::DECLARATION.inputs[#index].events)? {
            #(#arms)*
            _ => #last,
        },
    }
}

/// The arm of an input: an envelope has its id in the same place, whatever it holds.
fn peek(index: usize, input: &Input) -> Option<TokenStream> {
    let index = Literal::usize_unsuffixed(index);
    let (event, _) = input.events.first()?;
    Some(quote_spanned! {event.span()=>
        #index => ::pandaflow::processor::peek_id::<Self, #event, #index>(record),
    })
}

fn emits(input: &DeriveInput, index: usize, Channel { event, format, .. }: &Channel) -> TokenStream {
    let (head, target) = heads(input);
    let index = Literal::usize_unsuffixed(index);
    let codec = &format.codec;
    quote_spanned! {event.span()=>
        #[automatically_derived]
        #head ::pandaflow::Emits<#event> for #target {
            const OUTPUT: usize = #index;
            type Format = #codec;
        }
    }
}

fn looks_up(input: &DeriveInput, index: usize, Channel { event, format, .. }: &Channel) -> TokenStream {
    let (head, target) = heads(input);
    let index = Literal::usize_unsuffixed(index);
    let codec = &format.codec;
    quote_spanned! {event.span()=>
        #[automatically_derived]
        #head ::pandaflow::LooksUp<#event> for #target {
            const TABLE: usize = #index;
            type Format = #codec;
        }
    }
}

/// Refuses two events of one topic whose types have the same name: the second would never be handled. Not checked
/// for a generic struct, whose events are not known before it is used.
fn distinct(input: &DeriveInput, plan: &Plan) -> Option<TokenStream> {
    if !input.generics.params.is_empty() {
        return None;
    }
    let checks = plan.inputs.iter().filter(|input| input.events.len() > 1).map(|input| {
        let types = input.events.iter().map(|(event, _)| event_type(event));
        let topic = &input.topic;
        let message = format!("two events of \"{}\" have the same type", topic.value());
        quote_spanned!(topic.span()=> const _: () = assert!(::pandaflow::processor::are_distinct(&[#(#types),*]), #message);)
    });
    Some(quote!(#(#checks)*))
}
