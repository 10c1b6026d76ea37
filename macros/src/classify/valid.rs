//! Checks what was written, and says what is meant by it.

use proc_macro2::{Ident, Span};
use syn::{Data, DeriveInput, Fields, Member, spanned::Spanned};

use super::{
    ast::{Is, Written},
    attr,
};
use crate::{class::Class, mistakes::Mistakes, names};

/// What is meant: one for each variant, or one for a struct.
pub(super) struct Case {
    /// The variant; nothing for a struct.
    pub(super) variant: Option<Ident>,
    pub(super) class: Source,
    /// The field that says how long to wait, and where it was named.
    pub(super) retry_after: Option<(Member, Span)>,
}

/// Where the class comes from.
pub(super) enum Source {
    /// It is this one.
    Class(Class),
    /// It is that of a field; with the place that says so.
    Field(Member, Span),
}

/// The cases; those with mistakes are missing.
pub(super) fn plan(input: &DeriveInput, mistakes: &mut Mistakes) -> Vec<Case> {
    let whole = attr::read(&input.attrs, mistakes);
    match &input.data {
        Data::Union(data) => {
            mistakes.add(data.union_token, "an error is a struct or an enum");
            Vec::new()
        }
        Data::Struct(data) => {
            let class = case(None, &input.ident, whole.as_ref(), &data.fields, mistakes);
            class.into_iter().collect()
        }
        Data::Enum(data) => {
            if let Some(Written { retry_after: Some(field), .. }) = &whole {
                mistakes.add(field, "`retry_after` stands on the variant that has the field");
            }
            let mut cases = Vec::new();
            for variant in &data.variants {
                let own = attr::read(&variant.attrs, mistakes);
                let written = own.as_ref().or(whole.as_ref());
                cases.extend(case(Some(&variant.ident), &variant.ident, written, &variant.fields, mistakes));
            }
            cases
        }
    }
}

fn case(
    variant: Option<&Ident>,
    name: &Ident,
    written: Option<&Written>,
    fields: &Fields,
    mistakes: &mut Mistakes,
) -> Option<Case> {
    let Some(written) = written else {
        let known = attr::known().join(", ");
        mistakes.add(name, format!("`{name}` has no class: add `#[class(..)]` with one of {known}"));
        return None;
    };
    let Some((token, is)) = &written.class else {
        if !written.class_given {
            let known = attr::known().join(", ");
            mistakes.add(&written.attribute, format!("the class is missing: add one of {known}"));
        }
        return None;
    };
    let class = match is {
        Is::Class(class) => Source::Class(*class),
        Is::Source => Source::Field(source(name, token, fields, mistakes)?, token.span()),
    };
    let retry_after = match &written.retry_after {
        Some(field) if *is == Is::Source => {
            mistakes.add(field, "the source says for itself how long to wait: remove `retry_after`");
            return None;
        }
        Some(field) => Some((known(field, fields, mistakes)?, field.span())),
        None => None,
    };
    Some(Case { variant: variant.cloned(), class, retry_after })
}

/// The field that the error comes from: marked, called `source`, or the only one.
fn source(name: &Ident, token: &Ident, fields: &Fields, mistakes: &mut Mistakes) -> Option<Member> {
    let marked = fields.iter().position(|field| {
        field
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("source") || attribute.path().is_ident("from"))
    });
    let called =
        || fields.iter().position(|field| field.ident.as_ref().is_some_and(|ident| ident == "source"));
    let single = || (fields.len() == 1).then_some(0);
    let found = marked.or_else(called).or_else(single).and_then(|index| fields.members().nth(index));
    if found.is_none() {
        mistakes.add(
            token,
            format!("`{name}` has no source: mark a field with `#[source]` or `#[from]`, or give it a class"),
        );
    }
    found
}

fn known(field: &Member, fields: &Fields, mistakes: &mut Mistakes) -> Option<Member> {
    let name = text(field);
    let found = fields.members().find(|member| text(member) == name);
    if found.is_none() {
        let known: Vec<_> = fields.members().map(|member| text(&member)).collect();
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        mistakes.add(
            field,
            if known.is_empty() {
                format!("there is no field `{name}`, nor any other: add `{name}: Duration`")
            } else {
                names::unknown("field", &name, &known)
            },
        );
    }
    found
}

fn text(member: &Member) -> String {
    match member {
        Member::Named(name) => syn::ext::IdentExt::unraw(name).to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}
