//! The derives of pandaflow.

use proc_macro::TokenStream;

/// Placeholder.
#[proc_macro_derive(StreamProcessor, attributes(processor))]
pub fn stream_processor(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// Placeholder.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
/// Placeholder.
#[proc_macro_derive(Classify, attributes(class))]
pub fn classify(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
