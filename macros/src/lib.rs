//! The derives of pandaflow. Each one reads the options (`attr`) into what was written (`ast`), checks it into a
//! plan (`valid`), and writes the plan out (`expand`). Where something is wrong, a `fallback` stands in for what
//! could not be written, so that one mistake gives one error.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod class;
mod classify;
mod duration;
mod event;
mod generics;
mod mistakes;
mod names;
mod options;
mod stream_processor;
mod values;

/// Makes a struct a stream processor.
#[proc_macro_derive(StreamProcessor, attributes(processor))]
pub fn stream_processor(input: TokenStream) -> TokenStream {
    stream_processor::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a type an event.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(input: TokenStream) -> TokenStream {
    event::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Gives an error its class.
#[proc_macro_derive(Classify, attributes(class))]
pub fn classify(input: TokenStream) -> TokenStream {
    classify::derive(&parse_macro_input!(input as DeriveInput)).into()
}
