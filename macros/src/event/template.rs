//! Key templates: `"{account}:{symbol}"`, with `{{` and `}}` for braces.

use syn::{Index, Member};

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text as it is.
    Text(String),
    /// The name or number of a field.
    Field(String),
}

/// Splits a template; says what is wrong and what would be right.
pub(super) fn parse(template: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if rest.starts_with(brace) {
            text.push_str(brace);
            rest = &rest[1..];
            continue;
        }
        if brace == "}" {
            return Err("`}` without `{`: write `}}` for a brace in the key".into());
        }
        let Some(end) = rest.find('}') else {
            return Err("`{` is not closed: write `{field}`, or `{{` for a brace in the key".into());
        };
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(Part::Field(field(&rest[..end])?));
        rest = &rest[end + 1..];
    }
    text.push_str(rest);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    if !parts.iter().any(|part| matches!(part, Part::Field(_))) {
        return Err(
            "a key without a field is the same for all events: put one in, as in \"{account}\"".into()
        );
    }
    Ok(parts)
}

fn field(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("`{}` names no field: write `{field}`".into());
    }
    if let Some((field, _)) = name.split_once(':') {
        return Err(format!(
            "a field in a key takes no format: write `{{{field}}}`, or `key_with = ..` for a key made by a function"
        ));
    }
    Ok(name.into())
}

/// The field `name` of those that there are.
pub(super) fn member<'a>(name: &str, mut fields: impl Iterator<Item = &'a Member>) -> Option<&'a Member> {
    fields.find(|member| member_name(member) == name)
}

/// The field's name or number.
pub(super) fn member_name(member: &Member) -> String {
    match member {
        Member::Named(name) => syn::ext::IdentExt::unraw(name).to_string(),
        Member::Unnamed(Index { index, .. }) => index.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_escaped_braces_are_told_apart() {
        let parts = parse("a{{{account}}}:{0}").expect("a template");
        let text = |text: &str| Part::Text(text.into());
        let field = |name: &str| Part::Field(name.into());
        assert_eq!(parts, [text("a{"), field("account"), text("}:"), field("0")]);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for template in ["", "all", "{{a}}", "{}", "{a", "a}", "{a}}", "{price:.2}"] {
            assert!(parse(template).is_err(), "{template}");
        }
    }
}
