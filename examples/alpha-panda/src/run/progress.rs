//! The progress of a run: a bar on a terminal, plain lines elsewhere, always on standard error.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
    io::IsTerminal,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pandaflow::ports::{Lag, StoreError};
use pandaflow_actors::cli;
use tokio::time::Instant;

/// How often a plain line is written.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Shows how far the run is.
pub(super) struct Progress {
    total: u64,
    began: Instant,
    /// Ticks that every processor of ticks had handled before this run.
    first: Option<u64>,
    bar: Option<ProgressBar>,
    line_at: Instant,
}

impl Progress {
    /// Of a feed of `total` ticks.
    pub(super) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            // A template that doesn't fit would show the default bar.
            if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3} % {pos}/{len} ticks {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Self { total, began: now, first: None, bar, line_at: now + LINE_EVERY }
    }

    /// Shows it: ticks on the log, and the lag of each step.
    pub(super) fn show(&mut self, published: u64, lags: &[Lag]) {
        let steps = steps(lags);
        // A tick is through once the step that is furthest behind in ticks has handled it.
        let behind = lags.iter().filter(|lag| lag.topic.as_str() == "market.ticks").map(Lag::records);
        let through = published.saturating_sub(behind.sum());
        let first = *self.first.get_or_insert(through);
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = (through - first.min(through)) as f64 / seconds.max(0.001);
        let left = if rate > 0.0 { (self.total.saturating_sub(through)) as f64 / rate } else { 0.0 };
        let text = format!("{rate:.0} events/s, {left:.0} s left, lag: {steps}");
        if let Some(bar) = &self.bar {
            bar.set_position(through);
            bar.set_message(text);
        } else {
            let total = self.total;
            self.line(format_args!("progress: {through}/{total} ticks, {text}"));
        }
    }

    /// Shows what is away, so that nobody can tell how far the run is.
    pub(super) fn wait_for(&mut self, away: &StoreError) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("waiting: {away}"));
        } else {
            self.line(format_args!("progress: waiting: {away}"));
        }
    }

    /// Writes a line, if it is time for one.
    fn line(&mut self, line: impl Display) {
        if Instant::now() >= self.line_at {
            self.line_at = Instant::now() + LINE_EVERY;
            cli::warn(line);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The lag of each step in words: the last part of its group's name, and how many events it is behind.
fn steps(lags: &[Lag]) -> String {
    let mut steps: BTreeMap<&str, u64> = BTreeMap::new();
    for lag in lags {
        let step = lag.group.as_str().rsplit('.').next().unwrap_or_default();
        *steps.entry(step).or_default() += lag.records();
    }
    let mut text = String::new();
    for (step, behind) in steps {
        // Writing to a string can't fail.
        let _ = write!(text, "{step} {behind} ");
    }
    text.truncate(text.trim_end().len());
    text
}
