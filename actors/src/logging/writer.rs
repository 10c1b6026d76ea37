//! The end of a line's way, on the writing thread: its fields are gathered, secrets hidden, and it is written out.

use std::{cell::RefCell, fmt, io::Write, sync::Arc};

use pandaflow::{
    Timestamp,
    settings::{Channel, Level},
};
use serde_json::Value;
use slog::{Drain, KV, Key, Never, OwnedKVList, Record, SerdeValue, Serializer};

use super::{
    channels::{channel_of, level_of},
    files::Files,
    line::{Format, Line},
    queue::AT,
    redaction::Redactor,
};

/// What each line says of the program.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) service: Arc<str>,
    pub(super) environment: &'static str,
}

/// Writes lines to the console and to files.
pub(super) struct Writer {
    origin: Origin,
    redactor: Redactor,
    format: Format,
    outputs: RefCell<Outputs>,
}

struct Outputs {
    console: Box<dyn Write + Send>,
    files: Option<Files>,
}

impl Writer {
    pub(super) fn new(
        origin: Origin,
        redactor: Redactor,
        format: Format,
        console: Box<dyn Write + Send>,
        files: Option<Files>,
    ) -> Self {
        Self { origin, redactor, format, outputs: RefCell::new(Outputs { console, files }) }
    }

    fn line(&self, record: &Record<'_>, values: &OwnedKVList) -> Line {
        let level = level_of(record.level());
        let channel = channel_of(record.tag());
        let event = record.msg().to_string();
        let line = Line::new(Timestamp(0), level, channel, event, &self.origin, record.module());
        let mut fields = Fields { line, redactor: &self.redactor };
        // Gathering fails only where a caller's own value does; the line is written with what it has.
        let _ = record.kv().serialize(record, &mut fields);
        let _ = values.serialize(record, &mut fields);
        fields.line
    }
}

impl Drain for Writer {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let line = self.line(record, values);
        let mut outputs = self.outputs.borrow_mut();
        // A console that can't be written (a closed pipe) must not end the program.
        let _ = outputs.console.write_all(&line.render(self.format));
        let Some(files) = &mut outputs.files else {
            return Ok(());
        };
        let bytes = line.render(Format::Json);
        let mut told = files.write(line.channel, &bytes);
        if line.level <= Level::Error && line.channel != Channel::Error {
            told = told.or(files.write(Channel::Error, &bytes));
        }
        if let Some(what) = told {
            let now = chrono::Utc::now().into();
            let line = Line::new(now, Level::Error, Channel::Monitoring, what, &self.origin, module_path!());
            let _ = outputs.console.write_all(&line.render(self.format));
        }
        Ok(())
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Gathers a line's fields.
struct Fields<'a> {
    line: Line,
    redactor: &'a Redactor,
}

impl Fields<'_> {
    fn add(&mut self, key: Key, value: Value) -> slog::Result {
        let key = name(&key);
        self.line.add(key, self.redactor.redact(key, value));
        Ok(())
    }
}

/// The text of a key, whose type depends on slog's features.
fn name(key: &impl AsRef<str>) -> &str {
    key.as_ref()
}

macro_rules! emit_as_json {
    ($($emit:ident: $ty:ty,)*) => { $(
        fn $emit(&mut self, key: Key, value: $ty) -> slog::Result {
            self.add(key, value.into())
        }
    )* };
}

impl Serializer for Fields<'_> {
    emit_as_json! {
        emit_bool: bool,
        emit_u8: u8, emit_u16: u16, emit_u32: u32, emit_u64: u64, emit_usize: usize,
        emit_i8: i8, emit_i16: i16, emit_i32: i32, emit_isize: isize,
        emit_str: &str,
    }

    fn emit_i64(&mut self, key: Key, value: i64) -> slog::Result {
        if name(&key) == AT {
            self.line.at = Timestamp(value);
            return Ok(());
        }
        self.add(key, value.into())
    }

    fn emit_f32(&mut self, key: Key, value: f32) -> slog::Result {
        self.emit_f64(key, value.into())
    }

    /// JSON has no infinities: they are text.
    fn emit_f64(&mut self, key: Key, value: f64) -> slog::Result {
        if value.is_finite() { self.add(key, value.into()) } else { self.add(key, value.to_string().into()) }
    }

    fn emit_unit(&mut self, key: Key) -> slog::Result {
        self.add(key, Value::Null)
    }

    fn emit_none(&mut self, key: Key) -> slog::Result {
        self.add(key, Value::Null)
    }

    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        self.add(key, value.to_string().into())
    }

    fn emit_serde(&mut self, key: Key, value: &dyn SerdeValue) -> slog::Result {
        let value = serde_json::to_value(value.as_serde())
            .unwrap_or_else(|why| format!("can't be logged: {why}").into());
        self.add(key, value)
    }
}
