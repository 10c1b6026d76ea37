//! Checks inputs, tables and outputs.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{LitStr, Type, spanned::Spanned};

use super::super::ast::{self, Written};
use crate::{mistakes::Mistakes, names};

/// A topic that is read, with the events that are taken from there.
pub(crate) struct Input {
    pub(crate) topic: LitStr,
    /// At least one; several only in envelopes, which name the type.
    pub(crate) events: Vec<(Type, Format)>,
}

/// A table or an output.
pub(crate) struct Channel {
    pub(crate) topic: LitStr,
    pub(crate) event: Type,
    pub(crate) format: Format,
}

/// How events are read or written.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    /// The codec's type.
    pub(crate) codec: TokenStream,
    /// Whether it is the framework's envelope.
    is_envelope: bool,
}

/// One entry a topic, in the order of first appearance.
pub(super) fn inputs(attribute: &Ident, written: &Written, mistakes: &mut Mistakes) -> Vec<Input> {
    if !written.given.contains(&"input") {
        mistakes.add(attribute, "`input` is missing: add `input(topic = \"..\", event = ..)`");
    }
    let mut inputs: Vec<Input> = Vec::new();
    for channel in &written.inputs {
        let Some(Channel { topic, event, format }) = checked(channel, mistakes) else { continue };
        match inputs.iter_mut().find(|input| input.topic.value() == topic.value()) {
            Some(input) => share(input, event, format, mistakes),
            None => inputs.push(Input { topic, events: vec![(event, format)] }),
        }
    }
    inputs
}

/// Adds one more event to those that are taken from a topic.
fn share(input: &mut Input, event: Type, format: Format, mistakes: &mut Mistakes) {
    let topic = input.topic.value();
    if input.events.iter().any(|(known, _)| same(known, &event)) {
        let text = text(&event);
        mistakes
            .add(&event, format!("`{text}` is already taken from \"{topic}\": remove one of the two inputs"));
        return;
    }
    let bare =
        input.events.iter().map(|(_, format)| format).chain([&format]).find(|format| !format.is_envelope);
    if let Some(bare) = bare {
        mistakes.add(
            &bare.codec,
            format!(
                "\"{topic}\" carries several events, and only an envelope says which one a record holds: \
                 use format = \"envelope\", or a topic for each event"
            ),
        );
    }
    input.events.push((event, format));
}

/// Tables or outputs, each event at most once.
pub(super) fn unique(written: &[ast::Channel], mistakes: &mut Mistakes) -> Vec<Channel> {
    let mut channels: Vec<Channel> = Vec::new();
    for written in written {
        let Some(channel) = checked(written, mistakes) else { continue };
        match channels.iter().find(|known| same(&known.event, &channel.event)) {
            Some(first) => mistakes.add(
                &channel.event,
                format!(
                    "`{event}` already has the {keyword} \"{topic}\": remove one, or wrap `{event}` in a type of its own",
                    event = text(&channel.event),
                    keyword = written.keyword,
                    topic = first.topic.value(),
                ),
            ),
            None => channels.push(channel),
        }
    }
    channels
}

fn checked(written: &ast::Channel, mistakes: &mut Mistakes) -> Option<Channel> {
    let keyword = &written.keyword;
    for (option, example) in [("topic", "topic = \"..\""), ("event", "event = YourEvent")] {
        if !written.given.contains(&option) {
            mistakes.add(keyword, format!("`{option}` is missing in `{keyword}`: add `{example}`"));
        }
    }
    let topic = written.topic.clone();
    if let Some(topic) = &topic
        && let Some(fault) = names::topic_fault(&topic.value())
    {
        mistakes.add(topic, format!("{fault}, as in \"signals.raw\""));
    }
    let event = written.event.clone()?;
    let format = format(written.format.as_ref(), event.span(), mistakes);
    Some(Channel { topic: topic?, event, format })
}

fn format(written: Option<&ast::Format>, event: Span, mistakes: &mut Mistakes) -> Format {
    let (name, span) = match written {
        None => ("envelope".into(), event),
        Some(ast::Format::Named(name)) => (name.value(), name.span()),
        Some(ast::Format::Codec(codec)) => {
            return Format { codec: codec.to_token_stream(), is_envelope: false };
        }
    };
    let codec = match name.as_str() {
        "envelope" => quote_spanned!(span=> ::pandaflow::codec::EnvelopeFormat),
        "json" => quote_spanned!(span=> ::pandaflow::codec::JsonFormat),
        "bytes" => quote_spanned!(span=> ::pandaflow::codec::BytesFormat),
        other => {
            let unknown = names::unknown("format", other, &["envelope", "json", "bytes"]);
            mistakes
                .push(syn::Error::new(span, format!("{unknown}, or the path of a codec, without quotes")));
            quote_spanned!(span=> ::pandaflow::codec::EnvelopeFormat)
        }
    };
    Format { codec, is_envelope: !matches!(name.as_str(), "json" | "bytes") }
}

fn same(one: &Type, other: &Type) -> bool {
    text(one) == text(other)
}

/// The type as one would write it.
fn text(event: &Type) -> String {
    event.to_token_stream().to_string().replace(' ', "")
}
