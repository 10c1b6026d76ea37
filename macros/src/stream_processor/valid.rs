//! Checks what was written, and says what is meant by it.

use std::time::Duration;

use proc_macro2::Ident;
use syn::{DeriveInput, LitStr, Type};

use super::{
    ast::{self, Written},
    attr,
};
use crate::{class::Class, duration, mistakes::Mistakes, names, values};

mod channels;
mod retries;

pub(super) use channels::{Channel, Format, Input};

/// What is meant: all checked, the defaults not yet filled in.
pub(super) struct Plan {
    pub(super) name: LitStr,
    pub(super) inputs: Vec<Input>,
    pub(super) tables: Vec<Channel>,
    pub(super) outputs: Vec<Channel>,
    pub(super) state: Option<Type>,
    pub(super) state_version: u32,
    pub(super) order: &'static str,
    pub(super) concurrency: Option<u32>,
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Vec<Retry>,
    pub(super) dead_letters: Option<DeadLetters>,
    pub(super) dedup: Option<Option<Duration>>,
    pub(super) guarantee: Option<&'static str>,
    pub(super) transaction: bool,
}

/// How retries differ from the defaults.
pub(super) struct Retry {
    pub(super) class: Option<Class>,
    pub(super) attempts: Option<u32>,
    pub(super) backoff: Option<(Duration, Duration)>,
    /// In thousandths.
    pub(super) multiplier: Option<u32>,
    /// The variant.
    pub(super) jitter: Option<&'static str>,
    pub(super) in_place: Option<Duration>,
    pub(super) park_after: Option<u32>,
    pub(super) give_up_after: Option<Duration>,
}

/// How many dead letters are too many.
pub(super) struct DeadLetters {
    pub(super) in_a_row: Option<u32>,
    pub(super) percent: Option<u32>,
}

/// The plan; nothing where a mistake leaves a hole in it.
pub(super) fn plan(input: &DeriveInput, written: &Written, mistakes: &mut Mistakes) -> Option<Plan> {
    let Some(attribute) = &written.attribute else {
        mistakes.add(&input.ident, format!("`{}` needs `#[{}]`", input.ident, attr::EXAMPLE));
        return None;
    };
    let name = name(input, attribute, written, mistakes);
    let inputs = channels::inputs(attribute, written, mistakes);
    let tables = channels::unique(&written.tables, mistakes);
    let outputs = channels::unique(&written.outputs, mistakes);
    let state_version = state_version(written, mistakes);
    let order = order(written, mistakes);
    let concurrency =
        written.concurrency.as_ref().map(|number| values::within(number, "concurrency", 1..=100_000));
    let timeout = written.timeout.as_ref().map(duration::one);
    let dedup = written.dedup.as_ref().map(|dedup| dedup.ttl.as_ref().map(duration::one).transpose());
    Some(Plan {
        name: name?,
        inputs,
        tables,
        outputs,
        state: written.state.clone(),
        state_version,
        order,
        concurrency: concurrency.and_then(|concurrency| mistakes.take(concurrency)),
        timeout: timeout.and_then(|timeout| mistakes.take(timeout)),
        retries: retries::rules(&written.retries, mistakes),
        dead_letters: written.dead_letters.as_ref().map(|letters| dead_letters(letters, mistakes)),
        dedup: dedup.and_then(|dedup| mistakes.take(dedup)),
        guarantee: guarantee(written, mistakes),
        transaction: written.transaction,
    })
}

fn name(
    input: &DeriveInput,
    attribute: &Ident,
    written: &Written,
    mistakes: &mut Mistakes,
) -> Option<LitStr> {
    let suggestion = names::suggestion(&input.ident.to_string(), '-');
    match &written.name {
        None if written.given.contains(&"name") => {}
        None => mistakes.add(attribute, format!("`name` is missing: add `name = \"{suggestion}\"`")),
        Some(name) => match names::processor_name_fault(&name.value()) {
            Some(fault) => mistakes.add(name, format!("{fault}, as in \"{suggestion}\"")),
            None => return Some(name.clone()),
        },
    }
    None
}

fn state_version(written: &Written, mistakes: &mut Mistakes) -> u32 {
    let Some(version) = &written.state_version else { return 1 };
    if !written.given.contains(&"state") {
        mistakes.add(version, "`state_version` without a state: add `state = YourState`, or remove it");
    }
    mistakes.take(values::within(version, "state_version", 1..=u32::MAX)).unwrap_or(1)
}

fn order(written: &Written, mistakes: &mut Mistakes) -> &'static str {
    let Some(order) = &written.order else { return "Key" };
    match order.value().as_str() {
        "key" => "Key",
        "partition" => "Partition",
        "none" => {
            if written.given.contains(&"state") {
                mistakes.add(
                    order,
                    "a state needs an order, or two attempts could change the same key's state at once: \
                     write \"key\" or \"partition\", or remove `state`",
                );
            }
            "None"
        }
        other => {
            mistakes.add(order, names::unknown("order", other, &["key", "partition", "none"]));
            "Key"
        }
    }
}

fn dead_letters(written: &ast::DeadLetters, mistakes: &mut Mistakes) -> DeadLetters {
    DeadLetters {
        in_a_row: mistakes
            .take_some(&written.in_a_row, |given| values::within(given, "in_a_row", 1..=u32::MAX)),
        percent: mistakes.take_some(&written.percent, |given| values::within(given, "percent", 1..=100)),
    }
}

fn guarantee(written: &Written, mistakes: &mut Mistakes) -> Option<&'static str> {
    let guarantee = written.guarantee.as_ref()?;
    match guarantee.value().as_str() {
        "at-least-once" => Some("AtLeastOnce"),
        "exactly-once" => Some("ExactlyOnce"),
        other => {
            mistakes.add(guarantee, names::unknown("guarantee", other, &["at-least-once", "exactly-once"]));
            None
        }
    }
}
