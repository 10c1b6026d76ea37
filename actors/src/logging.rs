//! Logging: structured lines by slog, to standard error and, if wanted, to files.
//!
//! A line goes from its caller through a level check for its channel (a filtered line costs nanoseconds) into a
//! bounded queue, and a thread of its own writes it. A caller never waits: when the queue is full the line is dropped
//! and counted, and the next line that fits is preceded by one that says how many were. Telemetry must not
//! hold up an event.
//!
//! A channel is named by slog's tag; without one the line belongs to `application`:
//!
//! ```
//! use slog::info;
//! let log = pandaflow_actors::logging::logger();
//! info!(log, # "trading", "order filled"; "order_id" => 42);
//! ```
//!
//! Crates that log by `log`, or by `tracing` with its feature `log`, come through here as well. What is logged before
//! [`start`] goes nowhere.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use pandaflow::settings::{Json, Settings};
use slog::{Discard, Drain, Logger, o};

mod channels;
mod event_log;
mod files;
mod line;
mod queue;
mod redaction;
mod writer;

pub use event_log::EventLog;

use channels::{Filter, Levels};
use files::Files;
use line::Format;
use queue::{Dropped, Queue};
use redaction::Redactor;
use writer::{Origin, Writer};

/// Whether [`start`] has run.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Where lines go besides files.
pub struct Console {
    out: Box<dyn Write + Send>,
    terminal: bool,
}

impl Console {
    /// Standard error.
    #[must_use]
    pub fn stderr() -> Self {
        Self { out: Box::new(io::stderr()), terminal: io::stderr().is_terminal() }
    }

    /// Another place, for example one that draws a progress display again below each line. Each line comes in one
    /// write. `LOGGING__JSON=auto` takes it for a terminal as far as standard error is one.
    #[must_use]
    pub fn through(out: impl Write + Send + 'static) -> Self {
        Self { out: Box::new(out), ..Self::stderr() }
    }

    fn format(&self, json: Json) -> Format {
        match json {
            Json::Always => Format::Json,
            Json::Never => Format::Terminal,
            Json::Auto if self.terminal => Format::Terminal,
            Json::Auto => Format::Json,
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// A logger is in place already, ours or another crate's.
    #[error("logging was started already in this process; start it once")]
    AlreadyStarted,
    /// The log files can't be written.
    #[error("can't write log files in {}: {source}; set LOGGING__DIR to a folder that can be written, or LOGGING__FILE=false", dir.display())]
    Files {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Keeps logging alive: dropped, it writes what is still queued. Hold it to the end of `main`, and end the process by
/// returning from there: `std::process::exit` would leave the last lines unwritten.
#[must_use = "dropped at once, it ends logging"]
pub struct LogGuard {
    worker: Option<slog_async::AsyncGuard>,
    dropped: Arc<Dropped>,
    format: Format,
    origin: Origin,
}

impl LogGuard {
    /// How many lines were dropped so far because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.total()
    }
}

impl fmt::Debug for LogGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogGuard").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        // Joins the writing thread, which first empties the queue.
        self.worker.take();
        if let Some(line) = self.dropped.report(&self.origin) {
            let _ = io::stderr().write_all(&line.render(self.format));
        }
    }
}

/// Starts logging for the whole process. `service` is the program's name, written into every line.
///
/// # Errors
/// If logging was started already, or the log files can't be written.
pub fn start(settings: &Settings, service: &str, console: Console) -> Result<LogGuard, LoggingError> {
    let levels = Levels::new(&settings.logging);
    let (logger, guard) = build(settings, service, console)?;
    slog_stdlog::init_with_level(levels.most_for_log()).map_err(|_| LoggingError::AlreadyStarted)?;
    // Never reset: a thread that logs while the process ends must not find the logger gone, it would panic.
    slog_scope::set_global_logger(logger).cancel_reset();
    STARTED.store(true, Ordering::Release);
    Ok(guard)
}

/// The logger of the process; before [`start`], one that writes nothing. Keep a clone where lines are frequent: this
/// looks it up.
pub fn logger() -> Logger {
    if STARTED.load(Ordering::Acquire) { slog_scope::logger() } else { Logger::root(Discard, o!()) }
}

/// The whole way of a line, but for its being the process's logger.
fn build(settings: &Settings, service: &str, console: Console) -> Result<(Logger, LogGuard), LoggingError> {
    let logging = &settings.logging;
    let format = console.format(logging.json);
    let origin = Origin { service: service.into(), environment: settings.root.environment.as_str() };
    let files = if logging.file { Some(Files::open(logging)?) } else { None };
    let redactor = Redactor::new(&logging.redact_keys);
    let writer = Writer::new(origin.clone(), redactor, format, console.out, files);
    let (queue, worker, dropped) = Queue::before(writer, queue::CAPACITY);
    let logger = Logger::root(Filter::new(Levels::new(logging), queue).fuse(), o!());
    let guard = LogGuard { worker: Some(worker), dropped, format, origin };
    Ok((logger, guard))
}

#[cfg(test)]
mod tests;
