//! Reads `#[processor(..)]`.

use syn::{DeriveInput, LitStr, Result, parse::ParseStream};

use super::ast::{Channel, DeadLetters, Dedup, Format, Retry, Written};
use crate::{
    mistakes::Mistakes,
    options::{Key, Options},
    values,
};

pub(super) const EXAMPLE: &str = "processor(name = \"..\", input(topic = \"..\", event = ..))";
const OPTIONS: &[&str] = &[
    "name",
    "input",
    "table",
    "output",
    "state",
    "state_version",
    "order",
    "concurrency",
    "timeout",
    "retry",
    "dead_letters",
    "dedup",
    "guarantee",
    "transaction",
];
const RETRY_OPTIONS: &[&str] =
    &["class", "attempts", "backoff", "multiplier", "jitter", "in_place", "park_after", "give_up_after"];

/// Reads all `#[processor(..)]` of a struct.
pub(super) fn read(input: &DeriveInput, mistakes: &mut Mistakes) -> Written {
    let mut written = Written::default();
    let mut options = Options::new("processor", OPTIONS).repeatable(&["input", "table", "output", "retry"]);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("processor")) {
        written.attribute = attribute.path().get_ident().cloned();
        let has_list = options.read_attribute(attribute, EXAMPLE, mistakes, |key, input, mistakes| {
            written.given.push(key.name);
            option(&mut written, key, input, mistakes)
        });
        if !has_list {
            // Nothing more is missing than the list itself.
            written.given.extend(OPTIONS);
        }
    }
    written
}

fn option(written: &mut Written, key: &Key, input: ParseStream<'_>, mistakes: &mut Mistakes) -> Result<()> {
    match key.name {
        "name" => written.name = Some(values::string(key, input, "name = \"risk-manager\"")?),
        "input" => written.inputs.push(channel(key, input, mistakes)?),
        "table" => written.tables.push(channel(key, input, mistakes)?),
        "output" => written.outputs.push(channel(key, input, mistakes)?),
        "state" => written.state = Some(values::ty(key, input, "state = Account")?),
        "state_version" => written.state_version = Some(values::integer(key, input, "state_version = 2")?),
        "order" => written.order = Some(values::string(key, input, "order = \"key\"")?),
        "concurrency" => written.concurrency = Some(values::integer(key, input, "concurrency = 100")?),
        "timeout" => written.timeout = Some(values::string(key, input, "timeout = \"30s\"")?),
        "retry" => written.retries.push(retry(key, input, mistakes)?),
        "dead_letters" => written.dead_letters = Some(dead_letters(key, input, mistakes)?),
        "dedup" => written.dedup = Some(dedup(key, input, mistakes)?),
        "guarantee" => written.guarantee = Some(values::string(key, input, "guarantee = \"exactly-once\"")?),
        _ => written.transaction = word(key, input)?,
    }
    Ok(())
}

/// A word that says all by itself.
fn word(key: &Key, input: ParseStream<'_>) -> Result<bool> {
    if input.is_empty() || input.peek(syn::Token![,]) {
        return Ok(true);
    }
    let message = format!("`{0}` takes no value: write `{0}` alone, or remove it", key.name);
    Err(syn::Error::new(key.token.span(), message))
}

fn channel(key: &Key, input: ParseStream<'_>, mistakes: &mut Mistakes) -> Result<Channel> {
    let list = values::list(key, input, &format!("{}(topic = \"..\", event = ..)", key.name))?;
    let keyword = key.token.clone();
    let mut channel = Channel { keyword, topic: None, event: None, format: None, given: Vec::new() };
    Options::new(key.name, &["topic", "event", "format"]).read(&list, mistakes, |key, input, _| {
        channel.given.push(key.name);
        match key.name {
            "topic" => channel.topic = Some(values::string(key, input, "topic = \"signals.raw\"")?),
            "event" => channel.event = Some(values::ty(key, input, "event = TradingSignal")?),
            _ => channel.format = Some(format(key, input)?),
        }
        Ok(())
    });
    Ok(channel)
}

fn format(key: &Key, input: ParseStream<'_>) -> Result<Format> {
    if input.peek2(LitStr) {
        return values::string(key, input, "format = \"json\"").map(Format::Named);
    }
    values::value(key, input, "a string or a codec", "format = \"json\"` or `format = my::Codec")
        .map(Format::Codec)
}

fn retry(key: &Key, input: ParseStream<'_>, mistakes: &mut Mistakes) -> Result<Retry> {
    let list = values::list(key, input, "retry(attempts = 5, backoff = \"100ms..10s\")")?;
    let mut retry = Retry {
        keyword: key.token.clone(),
        class: None,
        attempts: None,
        backoff: None,
        multiplier: None,
        jitter: None,
        in_place: None,
        park_after: None,
        give_up_after: None,
        given: Vec::new(),
    };
    Options::new("retry", RETRY_OPTIONS).read(&list, mistakes, |key, input, _| {
        retry.given.push(key.name);
        match key.name {
            "class" => retry.class = Some(values::string(key, input, "class = \"rate_limit\"")?),
            "attempts" => retry.attempts = Some(values::integer(key, input, "attempts = 5")?),
            "backoff" => retry.backoff = Some(values::string(key, input, "backoff = \"100ms..10s\"")?),
            "multiplier" => {
                retry.multiplier = Some(values::value(key, input, "a number", "multiplier = 2")?);
            }
            "jitter" => retry.jitter = Some(values::string(key, input, "jitter = \"none\"")?),
            "in_place" => retry.in_place = Some(values::string(key, input, "in_place = \"1s\"")?),
            "park_after" => retry.park_after = Some(values::integer(key, input, "park_after = 3")?),
            _ => retry.give_up_after = Some(values::string(key, input, "give_up_after = \"1h\"")?),
        }
        Ok(())
    });
    Ok(retry)
}

fn dead_letters(key: &Key, input: ParseStream<'_>, mistakes: &mut Mistakes) -> Result<DeadLetters> {
    let list = values::list(key, input, "dead_letters(in_a_row = 1000, percent = 80)")?;
    if list.is_empty() {
        let fault = "`dead_letters` without `in_a_row` or `percent` changes nothing: add one, as in `dead_letters(in_a_row = 1000)`";
        return Err(syn::Error::new(key.token.span(), fault));
    }
    let mut letters = DeadLetters { in_a_row: None, percent: None };
    Options::new("dead_letters", &["in_a_row", "percent"]).read(&list, mistakes, |key, input, _| {
        match key.name {
            "in_a_row" => letters.in_a_row = Some(values::integer(key, input, "in_a_row = 1000")?),
            _ => letters.percent = Some(values::integer(key, input, "percent = 80")?),
        }
        Ok(())
    });
    Ok(letters)
}

fn dedup(key: &Key, input: ParseStream<'_>, mistakes: &mut Mistakes) -> Result<Dedup> {
    let mut dedup = Dedup { ttl: None };
    if input.peek(syn::Token![=]) || input.peek(syn::token::Paren) {
        let list = values::list(key, input, "dedup(ttl = \"24h\")")?;
        Options::new("dedup", &["ttl"]).read(&list, mistakes, |key, input, _| {
            dedup.ttl = Some(values::string(key, input, "ttl = \"24h\"")?);
            Ok(())
        });
    }
    Ok(dedup)
}
