//! Reads `#[event(..)]`.

use syn::{DeriveInput, LitStr, Result, parse::ParseStream};

use super::ast::{Key, Written};
use crate::{
    mistakes::Mistakes,
    options::{self, Options},
    values,
};

pub(super) const EXAMPLE: &str = "event(type = \"..\", version = 1, key = \"{field}\")";
const OPTIONS: &[&str] = &["type", "version", "key", "key_with"];

/// Reads all `#[event(..)]` of a type.
pub(super) fn read(input: &DeriveInput, mistakes: &mut Mistakes) -> Written {
    let mut written = Written::default();
    let mut options = Options::new("event", OPTIONS);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
        written.attribute = attribute.path().get_ident().cloned();
        let has_list = options.read_attribute(attribute, EXAMPLE, mistakes, |key, input, _| {
            written.given.push(key.name);
            option(&mut written, key, input)
        });
        if !has_list {
            // Nothing more is missing than the list itself.
            written.given.extend(OPTIONS);
        }
    }
    written
}

fn option(written: &mut Written, key: &options::Key, input: ParseStream<'_>) -> Result<()> {
    match key.name {
        "type" => written.event_type = Some(values::string(key, input, "type = \"trading_signal\"")?),
        "version" => written.version = Some(values::integer(key, input, "version = 1")?),
        "key" if input.peek2(LitStr) => {
            written.key = values::string(key, input, "").map(Key::Template).map(Some)?;
        }
        "key" => {
            let what = "text with fields, or a field that is text,";
            let example = "key = \"{account}:{symbol}\"` or `key = account";
            written.key = values::value(key, input, what, example).map(Key::Field).map(Some)?;
        }
        _ => {
            let example = "key_with = Self::partition_key";
            written.key_with = Some(values::value(key, input, "the path of a function", example)?);
        }
    }
    Ok(())
}
