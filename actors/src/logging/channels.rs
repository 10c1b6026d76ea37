//! Which channel a line belongs to, and whether the channel takes its level. Runs on the caller's thread for each line,
//! those that are filtered out included.

use pandaflow::settings::{Channel, Level, Logging};
use slog::{Drain, Never, OwnedKVList, Record};

/// The channel that a tag names. slog-stdlog tags a line with its `log` target, the path of the module that logs.
pub(super) fn channel_of(tag: &str) -> Channel {
    if tag.is_empty() {
        return Channel::Application;
    }
    if let Some(channel) = Channel::ALL.iter().find(|channel| channel.as_str() == tag) {
        return *channel;
    }
    match tag.split("::").next() {
        Some("actix_web" | "actix_http" | "actix_server") => Channel::Api,
        Some("diesel" | "diesel_migrations") => Channel::Database,
        _ => Channel::Application,
    }
}

/// The word for a slog level.
pub(super) fn level_of(level: slog::Level) -> Level {
    match level {
        slog::Level::Critical => Level::Critical,
        slog::Level::Error => Level::Error,
        slog::Level::Warning => Level::Warning,
        slog::Level::Info => Level::Info,
        slog::Level::Debug => Level::Debug,
        slog::Level::Trace => Level::Trace,
    }
}

/// The level of each channel.
#[derive(Debug)]
pub(super) struct Levels([Level; Channel::ALL.len()]);

impl Levels {
    pub(super) fn new(settings: &Logging) -> Self {
        let mut levels = [settings.level; Channel::ALL.len()];
        for one in &settings.channels {
            levels[one.channel as usize] = one.level;
        }
        Self(levels)
    }

    fn takes(&self, channel: Channel, level: Level) -> bool {
        // `Level` is ordered from the gravest to the most talkative.
        level <= self.0[channel as usize]
    }

    /// The most that any channel takes, as `log` says it: what is beyond stops in the `log` macros.
    pub(super) fn most_for_log(&self) -> log::Level {
        match self.0.iter().max() {
            Some(Level::Trace) => log::Level::Trace,
            Some(Level::Debug) => log::Level::Debug,
            Some(Level::Info) => log::Level::Info,
            Some(Level::Warning) => log::Level::Warn,
            _ => log::Level::Error,
        }
    }
}

/// Lets through what its channel takes.
#[derive(Debug)]
pub(super) struct Filter<D> {
    levels: Levels,
    next: D,
}

impl<D> Filter<D> {
    pub(super) fn new(levels: Levels, next: D) -> Self {
        Self { levels, next }
    }
}

impl<D: Drain<Ok = (), Err = Never>> Drain for Filter<D> {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        if self.levels.takes(channel_of(record.tag()), level_of(record.level())) {
            self.next.log(record, values)?;
        }
        Ok(())
    }

    /// Whether any channel takes it: a line's own is known once there is a line.
    fn is_enabled(&self, level: slog::Level) -> bool {
        self.levels.0.iter().any(|most| level_of(level) <= *most)
    }
}
