//! What the process has used of the machine.

use std::time::{Duration, Instant};

use nix::sys::{
    resource::{Usage, UsageWho, getrusage},
    time::{TimeVal, TimeValLike},
};

use crate::report::median;

/// Measures wall and processor time from its making on.
pub(crate) struct Stopwatch {
    began: Instant,
    cpu: Duration,
}

/// Wall and processor time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl Spent {
    /// The medians of many, each for itself.
    pub(crate) fn median(of: &[Self]) -> Self {
        let part = |part: fn(&Self) -> Duration| {
            Duration::from_secs_f64(median(of.iter().map(|spent| part(spent).as_secs_f64()).collect()))
        };
        Self { wall: part(|spent| spent.wall), cpu: part(|spent| spent.cpu) }
    }
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { cpu: cpu(), began: Instant::now() }
    }

    pub(crate) fn spent(&self) -> Spent {
        Spent { wall: self.began.elapsed(), cpu: cpu().saturating_sub(self.cpu) }
    }
}

/// The most memory that the process ever had resident, in MB of 2^20 bytes.
pub(crate) fn max_rss_mb() -> f64 {
    // Linux tells kilobytes.
    usage().map_or(0.0, |usage| usage.max_rss() as f64 / 1024.0)
}

fn cpu() -> Duration {
    let micros = |time: TimeVal| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0));
    usage().map_or(Duration::ZERO, |usage| micros(usage.user_time()) + micros(usage.system_time()))
}

/// It can't fail for the process itself.
fn usage() -> Option<Usage> {
    getrusage(UsageWho::RUSAGE_SELF).ok()
}
