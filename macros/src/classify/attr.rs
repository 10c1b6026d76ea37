//! Reads `#[class(..)]`.

use syn::{Attribute, Ident, Meta, Result, Token, ext::IdentExt, parse::ParseStream};

use super::ast::{Is, Written};
use crate::{
    class::{self, Class},
    mistakes::Mistakes,
    names,
    options::Key,
    values,
};

/// Reads the one `#[class(..)]` among `attributes`, if there is one.
pub(super) fn read(attributes: &[Attribute], mistakes: &mut Mistakes) -> Option<Written> {
    let mut found = attributes.iter().filter(|attribute| attribute.path().is_ident("class"));
    let attribute = found.next()?;
    for again in found {
        mistakes.add(again, "there is a `#[class(..)]` already: remove one");
    }
    let word = attribute.path().get_ident()?.clone();
    let mut written = Written { attribute: word, class: None, retry_after: None, class_given: false };
    if !matches!(attribute.meta, Meta::List(_)) {
        mistakes.add(attribute, format!("expected `#[class(..)]` with one of {}", known().join(", ")));
        written.class_given = true;
        return Some(written);
    }
    let read = attribute.parse_args_with(|input: ParseStream<'_>| options(&mut written, input, mistakes));
    mistakes.take(read);
    Some(written)
}

/// Reads `rate_limit, retry_after = wait`.
fn options(written: &mut Written, input: ParseStream<'_>, mistakes: &mut Mistakes) -> Result<()> {
    while !input.is_empty() {
        let Ok(token) = input.call(Ident::parse_any) else {
            written.class_given = true;
            let known = known().join(", ");
            return Err(input.error(format!("expected a class, without quotes: {known}")));
        };
        if token == "retry_after" || input.peek(Token![=]) {
            option(written, token, input, mistakes)?;
        } else {
            class(written, token, mistakes);
        }
        if !input.is_empty() {
            input.parse::<Token![,]>().map_err(|error| {
                syn::Error::new(
                    error.span(),
                    "expected `,` or the end, as in `rate_limit, retry_after = wait`",
                )
            })?;
        }
    }
    Ok(())
}

fn option(
    written: &mut Written,
    token: Ident,
    input: ParseStream<'_>,
    mistakes: &mut Mistakes,
) -> Result<()> {
    if token != "retry_after" {
        mistakes.add(&token, names::unknown("option of `class`", &token.to_string(), &["retry_after"]));
    } else if written.retry_after.is_some() {
        mistakes.add(&token, "`retry_after` is given twice: remove one");
    }
    let key = Key { name: "retry_after", token };
    written.retry_after = Some(values::value(&key, input, "the name of a field", "retry_after = wait")?);
    Ok(())
}

fn class(written: &mut Written, token: Ident, mistakes: &mut Mistakes) {
    let name = token.to_string();
    let is = match &*name {
        "source" => Some(Is::Source),
        name => Class::named(name).map(Is::Class),
    };
    match is {
        _ if written.class_given => mistakes.add(&token, "an error has one class: remove this one"),
        Some(is) => written.class = Some((token, is)),
        None => {
            let known: Vec<_> = class::all().into_iter().chain(["source"]).collect();
            mistakes.add(&token, names::unknown("error class", &name, &known));
        }
    }
    written.class_given = true;
}

/// The classes, and `source`.
pub(super) fn known() -> Vec<String> {
    class::all().into_iter().chain(["source"]).map(|name| format!("`{name}`")).collect()
}
