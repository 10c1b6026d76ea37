//! Reads sections out of variables: one variable at a time, so that everything wrong is found in one go.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::Value as Json;

use super::{
    InForce, Source, dotenv,
    names::{Meaning, Names, meaning, with_two_underscores},
    problem::{Problem, SettingsErrors},
    section::{Checks, Field, Section, variable},
};

/// A variable that somebody set.
#[derive(Debug)]
struct Given {
    text: String,
    source: Source,
}

/// The variables that are settings, and what was found of them so far.
#[derive(Debug, Default)]
pub(super) struct Reading {
    given: BTreeMap<String, Given>,
    problems: Vec<Problem>,
    in_force: Vec<InForce>,
    /// Variables that nobody reads, and the setting that each may have been meant for.
    passed_over: Vec<(String, String)>,
}

impl Reading {
    /// Takes the variables that are settings from `.env` and the environment; the environment wins.
    pub(super) fn new(
        variables: impl Iterator<Item = (OsString, OsString)>,
        dotenv: &str,
        known: &[Names],
    ) -> Self {
        let mut reading = Self::default();
        for set in dotenv::parse(dotenv, &mut reading.problems) {
            let source = Source::DotEnv { line: set.line };
            if reading.is_setting(&set.name, source, known) {
                reading.take_from_dotenv(set);
            }
        }
        for (name, value) in variables {
            let name = name.to_string_lossy();
            if !reading.is_setting(&name, Source::Environment, known) {
                continue;
            }
            match value.into_string() {
                Ok(text) => reading.take(name.into_owned(), text, Source::Environment),
                Err(_) => reading.problems.push(Problem::new(name, "the value is not UTF-8 text")),
            }
        }
        reading
    }

    fn is_setting(&mut self, name: &str, source: Source, known: &[Names]) -> bool {
        match meaning(name, known) {
            Meaning::Setting => true,
            Meaning::Foreign => {
                if let Some(right) = with_two_underscores(name, known) {
                    self.passed_over.push((name.to_owned(), right.to_owned()));
                }
                false
            }
            Meaning::Misspelt(right) => {
                // The value is not quoted: it may be meant for a secret.
                let problem = Problem::new(name, right).in_line(source.line());
                self.problems.push(problem);
                false
            }
        }
    }

    fn take_from_dotenv(&mut self, set: dotenv::Assignment) {
        if let Some(line) = self.given.get(&set.name).and_then(|g| g.source.line()) {
            let why = format!("set twice, first in line {line}; keep one");
            self.problems.push(Problem::new(set.name, why).in_line(Some(set.line)));
            return;
        }
        self.take(set.name, set.value, Source::DotEnv { line: set.line });
    }

    /// Variables that are not read though they look like a setting which nobody has set, a sentence each.
    pub(super) fn passed_over(&self) -> Vec<String> {
        let unset = self.passed_over.iter().filter(|(_, right)| !self.given.contains_key(right));
        let told = unset.map(|(name, right)| format!("{name} is not read here: the setting is {right}"));
        told.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    fn take(&mut self, name: String, text: String, source: Source) {
        self.given.insert(name, Given { text, source });
    }

    /// Reads one section; a value that can't be used is a problem, and its default stands in for it until
    /// [`finish`](Self::finish) gives the problems out.
    pub(super) fn section<S: Section>(&mut self) -> S {
        let section = self.read_at(S::NAME);
        self.show(&section, S::NAME, |source| S::PRINTS_DEFAULTS || source != Source::Default);
        section
    }

    /// Reads a section that is there many times, each time with something else before the names of its fields. Only
    /// what was set is shown.
    pub(super) fn section_at<S: Section>(&mut self, prefix: &str) -> S {
        let section = self.read_at(prefix);
        self.show(&section, prefix, |source| source != Source::Default);
        section
    }

    fn read_at<S: Section>(&mut self, prefix: &str) -> S {
        let fields = S::fields();
        let mut good = Vec::new();
        let mut bad = Vec::new();
        for field in &fields {
            let name = variable(prefix, field.name);
            let Some(given) = self.given.get(&name) else {
                continue;
            };
            let one = (name.clone(), given.text.clone());
            match read::<S>(prefix, [one.clone()]) {
                Ok(_) => good.push(one),
                Err(why) => {
                    let reason = format!("{why}; write {}", field.expected);
                    self.problems.push(problem(name, given, field, reason));
                    bad.push(field.name);
                }
            }
        }
        let section = read::<S>(prefix, good).unwrap_or_else(|why| {
            self.problems.push(Problem::new(prefix, why));
            S::default()
        });
        self.check(&section, prefix, &fields, &bad);
        section
    }

    fn check<S: Section>(&mut self, section: &S, prefix: &str, fields: &[Field], bad: &[&str]) {
        let mut checks = Checks::default();
        section.check(&mut checks);
        for (name, reason) in checks.into_refused() {
            if !bad.contains(&name) {
                self.refuse_at(section, prefix, fields, name, &reason);
            }
        }
    }

    /// Refuses a value that was read well.
    pub(super) fn refuse<S: Section>(&mut self, section: &S, fields: &[Field], name: &str, reason: &str) {
        self.refuse_at(section, S::NAME, fields, name, reason);
    }

    fn refuse_at<S: Section>(
        &mut self,
        section: &S,
        prefix: &str,
        fields: &[Field],
        name: &str,
        reason: &str,
    ) {
        let full = variable(prefix, name);
        let field = fields.iter().find(|f| f.name == name);
        let problem = match (self.given.get(&full), field) {
            (Some(given), Some(field)) => problem(full, given, field, reason),
            _ => Problem::new(full, reason).with_value(&shown(&values(section), name)),
        };
        self.problems.push(problem);
    }

    fn show<S: Section>(&mut self, section: &S, prefix: &str, is_shown: impl Fn(Source) -> bool) {
        let values = values(section);
        for field in S::fields() {
            let variable = variable(prefix, field.name);
            let source = self.given.get(&variable).map_or(Source::Default, |given| given.source);
            if !is_shown(source) {
                continue;
            }
            self.in_force.push(InForce { value: shown(&values, field.name), variable, source });
        }
    }

    /// The values in force, or everything that was found wrong.
    pub(super) fn finish(self) -> Result<Vec<InForce>, SettingsErrors> {
        if self.problems.is_empty() { Ok(self.in_force) } else { Err(SettingsErrors::new(self.problems)) }
    }
}

/// Reads a section out of variables that are all its own.
fn read<S: Section>(
    prefix: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<S, String> {
    let read = if prefix.is_empty() {
        envy::from_iter(variables)
    } else {
        envy::prefixed(format!("{prefix}__")).from_iter(variables)
    };
    read.map_err(|e| {
        // envy quotes the value behind what is wrong with a number or a bool; it may be a secret.
        let text = e.to_string();
        let end = text.find(" while parsing value ").unwrap_or(text.len());
        text[..end].to_owned()
    })
}

fn problem(name: String, given: &Given, field: &Field, reason: impl Into<String>) -> Problem {
    Problem::new(name, reason).in_line(given.source.line()).with_value(&(field.redact)(&given.text))
}

/// A section's values as serde writes them.
fn values<S: Section>(section: &S) -> Json {
    serde_json::to_value(section).unwrap_or_default()
}

/// One of them as text.
fn shown(values: &Json, field: &str) -> String {
    fn text(value: &Json) -> String {
        match value {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        }
    }
    values.get(field).map(text).unwrap_or_default()
}
