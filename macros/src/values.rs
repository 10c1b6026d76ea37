//! The values of options. What is expected is told with an example.

use std::ops::RangeInclusive;

use syn::{
    Error, LitInt, LitStr, Result, Token, Type,
    parse::{ParseBuffer, ParseStream},
};

use crate::options::Key;

/// `= ".."`.
pub(crate) fn string(key: &Key, input: ParseStream<'_>, example: &str) -> Result<LitStr> {
    value(key, input, "a string", example)
}

/// `= 1`.
pub(crate) fn integer(key: &Key, input: ParseStream<'_>, example: &str) -> Result<LitInt> {
    value(key, input, "an integer", example)
}

/// `= Type`.
pub(crate) fn ty(key: &Key, input: ParseStream<'_>, example: &str) -> Result<Type> {
    value(key, input, "a type", example)
}

/// `(..)`.
pub(crate) fn list<'a>(key: &Key, input: ParseStream<'a>, example: &str) -> Result<ParseBuffer<'a>> {
    if !input.peek(syn::token::Paren) {
        return Err(wants(key, &Error::new(key.token.span(), ""), "a list", example));
    }
    let list;
    syn::parenthesized!(list in input);
    Ok(list)
}

/// `= ..`.
pub(crate) fn value<T: syn::parse::Parse>(
    key: &Key,
    input: ParseStream<'_>,
    what: &str,
    example: &str,
) -> Result<T> {
    if !input.peek(Token![=]) {
        return Err(wants(key, &Error::new(key.token.span(), ""), what, example));
    }
    input.parse::<Token![=]>()?;
    input.parse().map_err(|error| wants(key, &error, what, example))
}

fn wants(key: &Key, at: &Error, what: &str, example: &str) -> Error {
    Error::new(at.span(), format!("`{}` takes {what}, as in `{example}`", key.name))
}

/// The integer, if it lies in `range`.
pub(crate) fn within(literal: &LitInt, option: &str, range: RangeInclusive<u32>) -> Result<u32> {
    let number = literal.base10_parse::<u32>().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let bound = if *range.end() == u32::MAX {
            format!("{} or more", range.start())
        } else {
            format!("{} to {}", range.start(), range.end())
        };
        Error::new(literal.span(), format!("`{option}` is {bound}, not {literal}"))
    })
}
