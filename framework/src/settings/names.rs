//! Which names are settings, which are nobody's, and which are a setting misspelt.

use super::{
    retry,
    section::{Field, variable},
};

/// The variables of one section.
#[derive(Debug, Clone)]
pub(super) struct Names {
    section: &'static str,
    variables: Vec<String>,
}

impl Names {
    pub(super) fn new(section: &'static str, fields: &[Field]) -> Self {
        Self::of_variables(section, fields.iter().map(|f| variable(section, f.name)).collect())
    }

    /// A section whose variables have more in their names than a field.
    pub(super) fn of_variables(section: &'static str, variables: Vec<String>) -> Self {
        Self { section, variables }
    }

    /// What stands before the first `__`: a section may lie below another, as KAFKA__PROPERTY does.
    fn root(&self) -> &'static str {
        self.section.split("__").next().unwrap_or_default()
    }
}

/// What a variable's name turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The name of a setting.
    Setting,
    /// Somebody else's variable.
    Foreign,
    /// A setting misspelt; says what would be right.
    Misspelt(String),
}

/// What `name` means where these sections are known.
pub(super) fn meaning(name: &str, sections: &[Names]) -> Meaning {
    if sections.iter().any(|s| s.variables.iter().any(|v| v == name)) {
        return Meaning::Setting;
    }
    let Some((prefix, _)) = name.split_once("__") else {
        return without_section(name, sections);
    };
    let known: Vec<_> = sections
        .iter()
        .filter(|s| !prefix.is_empty() && s.root() == prefix)
        .flat_map(|s| &s.variables)
        .collect();
    if !known.is_empty() {
        return Meaning::Misspelt(match prefix {
            retry::NAME => retry::unknown(name, &known),
            _ => unknown_field(name, prefix, &known),
        });
    }
    let similar = sections.iter().filter(|s| is_similar(prefix, s.root()));
    let variables = similar.flat_map(|s| &s.variables);
    match nearest(name, variables) {
        Some(right) => Meaning::Misspelt(format!("no such section; did you mean {right}?")),
        None => Meaning::Foreign,
    }
}

/// The setting that somebody may have meant who wrote one underscore where there have to be two. It may as well be another tool's
/// variable, as DATABASE_URL is.
pub(super) fn with_two_underscores<'a>(name: &str, sections: &'a [Names]) -> Option<&'a str> {
    let mut variables = sections.iter().flat_map(|s| &s.variables);
    variables.find(|v| v.contains("__") && v.replace("__", "_") == name).map(String::as_str)
}

fn without_section(name: &str, sections: &[Names]) -> Meaning {
    let roots = sections.iter().filter(|s| s.section.is_empty());
    let similar = roots.flat_map(|s| &s.variables).filter(|root| is_similar(name, root));
    match nearest(name, similar) {
        Some(right) => Meaning::Misspelt(format!("no such setting; did you mean {right}?")),
        None => Meaning::Foreign,
    }
}

fn unknown_field(name: &str, section: &str, known: &[&String]) -> String {
    let close = known.iter().copied().filter(|k| {
        let field = |v: &str| v.len().saturating_sub(section.len() + 2);
        distance(name, k) <= field(k).max(field(name)) / 2
    });
    match nearest(name, close) {
        Some(right) => format!("no such setting; did you mean {right}?"),
        None => {
            // A section's own; those of a section below it may be very many.
            let own = |name: &&&String| !name[section.len() + 2..].contains("__");
            let known: Vec<_> = known.iter().filter(own).map(|k| k.as_str()).collect();
            format!("no such setting; {section} has {}", known.join(", "))
        }
    }
}

/// Whether somebody who wrote `name` may have meant `known`: one slip in four letters, letters in another order, or
/// lower case.
fn is_similar(name: &str, known: &str) -> bool {
    fn letters(text: &str) -> Vec<char> {
        let mut letters: Vec<_> = text.to_uppercase().chars().collect();
        letters.sort_unstable();
        letters
    }
    !known.is_empty() && (distance(name, known) <= known.len() / 4 || letters(name) == letters(known))
}

fn nearest<'a>(name: &str, among: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    among.min_by_key(|known| distance(name, known))
}

/// Slips between two names: letters left out, added, changed, or exchanged with the next.
fn distance(name: &str, known: &str) -> usize {
    strsim::osa_distance(&name.to_uppercase(), known)
}
