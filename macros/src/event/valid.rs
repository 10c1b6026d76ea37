//! Checks what was written, and says what is meant by it.

use proc_macro2::{Ident, Span};
use syn::{Data, DeriveInput, ExprPath, LitStr, Member, Type, spanned::Spanned};

use super::{
    ast::{self, Written},
    attr,
    template::{self, Part},
};
use crate::{generics, mistakes::Mistakes, names, values};

/// What is meant, all checked.
pub(super) struct Plan {
    pub(super) event_type: LitStr,
    pub(super) version: u32,
    pub(super) key: Key,
}

/// How the key is made.
pub(super) enum Key {
    /// Borrowed from a field that is text.
    Borrowed {
        field: Member,
        /// Where it was named.
        span: Span,
    },
    /// Formatted.
    Formatted {
        /// A format string with `{}` for each field.
        format: String,
        fields: Vec<Member>,
        /// Where they were named.
        span: Span,
    },
    /// Made by a function of `&Self`.
    Made(ExprPath),
}

/// The plan; nothing where a mistake leaves a hole in it.
pub(super) fn plan(input: &DeriveInput, written: &Written, mistakes: &mut Mistakes) -> Option<Plan> {
    if let Data::Union(data) = &input.data {
        mistakes.add(data.union_token, "an event is a struct or an enum");
        return None;
    }
    generics::check(&input.generics, "an event outlives the bytes that it was read from", mistakes);
    let Some(attribute) = &written.attribute else {
        mistakes.add(&input.ident, format!("`{}` needs `#[{}]`", input.ident, attr::EXAMPLE));
        return None;
    };
    let event_type = event_type(input, attribute, written, mistakes);
    let version = written.version.as_ref().map(|version| values::within(version, "version", 1..=u32::MAX));
    let version = version.map_or(Some(1), |version| mistakes.take(version));
    let key = key(input, attribute, written, mistakes);
    Some(Plan { event_type: event_type?, version: version?, key: key? })
}

fn event_type(
    input: &DeriveInput,
    attribute: &Ident,
    written: &Written,
    mistakes: &mut Mistakes,
) -> Option<LitStr> {
    let suggestion = names::suggestion(&input.ident.to_string(), '_');
    match &written.event_type {
        None if written.given.contains(&"type") => {}
        None => mistakes.add(attribute, format!("`type` is missing: add `type = \"{suggestion}\"`")),
        Some(name) => match names::event_type_fault(&name.value()) {
            Some(fault) => mistakes.add(name, format!("{fault}, as in \"{suggestion}\"")),
            None => return Some(name.clone()),
        },
    }
    None
}

fn key(input: &DeriveInput, attribute: &Ident, written: &Written, mistakes: &mut Mistakes) -> Option<Key> {
    match (&written.key, &written.key_with) {
        (Some(_), Some(path)) => {
            mistakes.add(path, "`key` and `key_with` are both given: remove one");
            None
        }
        (None, Some(path)) => Some(Key::Made(path.clone())),
        (Some(key), None) => {
            let key = fields(input).and_then(|fields| match key {
                ast::Key::Template(text) => formatted(text, &fields),
                ast::Key::Field(field) => borrowed(field, &fields),
            });
            mistakes.take(key)
        }
        (None, None) => {
            if !written.given.iter().any(|option| matches!(*option, "key" | "key_with")) {
                let fix = "add `key = \"{field}\"`, for events with the same key are handled in order";
                mistakes.add(attribute, format!("`key` is missing: {fix}"));
            }
            None
        }
    }
}

type TypedFields<'a> = Vec<(Member, &'a Type)>;

fn fields(input: &DeriveInput) -> syn::Result<TypedFields<'_>> {
    match &input.data {
        Data::Struct(data) => {
            Ok(data.fields.members().zip(data.fields.iter().map(|field| &field.ty)).collect())
        }
        _ => Err(syn::Error::new(
            input.ident.span(),
            "an enum has no field of its own for a key: write `key_with = Self::key_of` and \
             `fn key_of(&self) -> &str` (or `String`)",
        )),
    }
}

fn borrowed(field: &Member, fields: &TypedFields<'_>) -> syn::Result<Key> {
    let name = template::member_name(field);
    match template::member(&name, fields.iter().map(|(member, _)| member)) {
        Some(known) => Ok(Key::Borrowed { field: known.clone(), span: field.span() }),
        None => Err(syn::Error::new(field.span(), no_field(&name, fields))),
    }
}

fn formatted(text: &LitStr, fields: &TypedFields<'_>) -> syn::Result<Key> {
    let span = text.span();
    let parts = template::parse(&text.value()).map_err(|fault| syn::Error::new(span, fault))?;
    let mut format = String::new();
    let mut used = Vec::new();
    for part in &parts {
        match part {
            Part::Text(text) => format.push_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Field(name) => {
                let member = template::member(name, fields.iter().map(|(member, _)| member));
                let member = member.ok_or_else(|| syn::Error::new(span, no_field(name, fields)))?;
                format.push_str("{}");
                used.push(member.clone());
            }
        }
    }
    match &used[..] {
        [field] if parts.len() == 1 && is_text(field, fields) => {
            Ok(Key::Borrowed { field: field.clone(), span })
        }
        _ => Ok(Key::Formatted { format, fields: used, span }),
    }
}

/// Whether the field's type is one that is written as what it is: then a key that is this field alone needs no copy.
fn is_text(field: &Member, fields: &TypedFields<'_>) -> bool {
    let Some((_, Type::Path(ty))) = fields.iter().find(|(member, _)| member == field) else { return false };
    ty.qself.is_none() && ty.path.is_ident("String")
}

fn no_field(name: &str, fields: &TypedFields<'_>) -> String {
    let known: Vec<_> = fields.iter().map(|(member, _)| template::member_name(member)).collect();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    match &known[..] {
        [] => format!("there is no field `{name}`, nor any other: write `key_with = path::to_function`"),
        _ => names::unknown("field", name, &known),
    }
}
