//! One log line: its fixed fields, then what its caller gave, as JSON or for a terminal.

use std::fmt::Write as _;

use pandaflow::{
    Timestamp,
    settings::{Channel, Level},
};
use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::Value;

use super::writer::Origin;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A JSON object a line.
    Json,
    /// For people.
    Terminal,
}

/// A line on its way out.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) channel: Channel,
    event: String,
    service: Value,
    environment: &'static str,
    component: Value,
    /// What the caller gave, each key once.
    fields: Vec<(String, Value)>,
}

impl Line {
    pub(super) fn new(
        at: Timestamp,
        level: Level,
        channel: Channel,
        event: String,
        origin: &Origin,
        module: &str,
    ) -> Self {
        Self {
            at,
            level,
            channel,
            event,
            service: (*origin.service).into(),
            environment: origin.environment,
            component: module.into(),
            fields: Vec::new(),
        }
    }

    /// Adds a field. The first of a name stays: a line's own fields are added before its logger's. `service` and
    /// `component` can be set; a key of another fixed field gets a `_` behind its name.
    pub(super) fn add(&mut self, key: &str, value: Value) {
        let name = match key {
            "timestamp" | "level" | "channel" | "environment" | "event" => format!("{key}_"),
            key => key.to_owned(),
        };
        if self.fields.iter().all(|(known, _)| *known != name) {
            self.fields.push((name, value));
        }
    }

    /// The line's bytes, its newline included.
    pub(super) fn render(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Json => self.json(),
            Format::Terminal => self.terminal().into_bytes(),
        }
    }

    fn json(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(256);
        // A string's keys and JSON values written to memory can't fail.
        if self.write_json(&mut line).is_err() {
            line.clear();
        }
        line.push(b'\n');
        line
    }

    fn write_json(&self, line: &mut Vec<u8>) -> serde_json::Result<()> {
        let mut json = serde_json::Serializer::new(line);
        let mut map = json.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.at.to_string())?;
        map.serialize_entry("level", self.level.as_str())?;
        map.serialize_entry("channel", self.channel.as_str())?;
        map.serialize_entry("service", self.given("service").unwrap_or(&self.service))?;
        map.serialize_entry("environment", self.environment)?;
        map.serialize_entry("component", self.given("component").unwrap_or(&self.component))?;
        map.serialize_entry("event", &self.event)?;
        for (key, value) in self.rest() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }

    fn terminal(&self) -> String {
        let level = self.level.as_str().to_uppercase();
        let mut line = format!("{} {level:<8} ", self.at);
        if self.channel != Channel::Application {
            let _ = write!(line, "[{}] ", self.channel);
        }
        for c in self.event.chars() {
            push_visible(&mut line, c);
        }
        for (key, value) in self.rest() {
            let _ = write!(line, "  {key}=");
            match value {
                Value::String(text) if is_plain(text) => line.push_str(text),
                other => other.to_string().chars().for_each(|c| push_visible(&mut line, c)),
            }
        }
        line.push('\n');
        line
    }

    fn given(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn rest(&self) -> impl Iterator<Item = &(String, Value)> {
        let fixed = |key: &str| matches!(key, "service" | "component");
        self.fields.iter().filter(move |(key, _)| !fixed(key))
    }
}

/// A control character is escaped: it could break the line or steer the terminal.
fn push_visible(line: &mut String, c: char) {
    if c.is_control() {
        line.extend(c.escape_default());
    } else {
        line.push(c);
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"')
}
