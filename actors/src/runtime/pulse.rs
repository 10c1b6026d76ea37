//! The watchdog of the arbiters: finds one that a handler blocks, and says whose handler it is.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often each arbiter beats.
pub(crate) const BEAT_EVERY: Duration = Duration::from_millis(100);

/// What one arbiter shows of itself. Written by that arbiter only, read by the watchdog.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    beats: AtomicU64,
    /// The processor whose handler holds the arbiter, plus one; 0 is none.
    running: AtomicU32,
}

impl Pulse {
    /// Counts a beat: the arbiter turns.
    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }
}

/// Marks an arbiter as held by a processor's handler while one is polled.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pulse: Arc<Pulse>,
    processor: u32,
}

impl Running {
    pub(crate) fn new(pulse: Arc<Pulse>, processor: u32) -> Self {
        Self { pulse, processor: processor + 1 }
    }

    #[inline]
    pub(crate) fn enter(&self) {
        self.pulse.running.store(self.processor, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn leave(&self) {
        self.pulse.running.store(0, Ordering::Relaxed);
    }
}

/// What the watchdog found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArbiterNews {
    /// An arbiter has not turned for that long.
    Blocked {
        /// Which, from 0.
        arbiter: usize,
        /// The processor whose handler holds it; `None` if it is none's.
        processor: Option<String>,
        /// Since when, roughly.
        since: Duration,
    },
    /// A blocked arbiter turns again.
    Turning {
        /// Which, from 0.
        arbiter: usize,
    },
}

/// The names of the processors, by the number that [`Running`] shows.
pub(crate) type Names = Arc<Mutex<BTreeMap<u32, String>>>;

/// The thread that looks after the arbiters; it stops when this is dropped.
pub(crate) struct Watchdog {
    stop: Arc<AtomicBool>,
    wake: mpsc::SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Watches `pulses`; `tell` hears of each arbiter that is blocked for `limit` and of each that turns again.
    pub(crate) fn start(
        pulses: Vec<Arc<Pulse>>,
        names: Names,
        limit: Duration,
        tell: impl Fn(ArbiterNews) + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (wake, woken) = mpsc::sync_channel(1);
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("pandaflow-watchdog".into()).spawn(move || {
            let mut seen = vec![Seen::default(); pulses.len()];
            while !stopped.load(Ordering::Relaxed) {
                for (arbiter, (pulse, seen)) in pulses.iter().zip(&mut seen).enumerate() {
                    seen.look(arbiter, pulse, &names, limit).into_iter().for_each(&tell);
                }
                // Ends early only to stop: nothing is sent but the wake-up of `drop`.
                let _ = woken.recv_timeout(limit / 4);
            }
        })?;
        Ok(Self { stop, wake, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.wake.try_send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the watchdog remembers of one arbiter.
#[derive(Clone, Default)]
struct Seen {
    beats: u64,
    changed: Option<Instant>,
    blocked: bool,
    /// What held it when that was told.
    running: u32,
}

impl Seen {
    fn look(&mut self, arbiter: usize, pulse: &Pulse, names: &Names, limit: Duration) -> Option<ArbiterNews> {
        let beats = pulse.beats.load(Ordering::Relaxed);
        let now = Instant::now();
        if beats != self.beats || self.changed.is_none() {
            self.beats = beats;
            self.changed = Some(now);
            return std::mem::take(&mut self.blocked).then_some(ArbiterNews::Turning { arbiter });
        }
        let since = now.duration_since(self.changed.unwrap_or(now));
        let running = pulse.running.load(Ordering::Relaxed);
        // One that stood still for another reason, and then came to a handler that holds it, is told once more.
        let told = self.blocked && (running == 0 || running == self.running);
        if told || since < limit {
            return None;
        }
        self.blocked = true;
        self.running = running;
        let processor = running.checked_sub(1).and_then(|number| lock(names).get(&number).cloned());
        Some(ArbiterNews::Blocked { arbiter, processor, since })
    }
}

fn lock(names: &Names) -> MutexGuard<'_, BTreeMap<u32, String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handler_that_holds_an_arbiter_is_named_also_when_it_stood_still_before() {
        let (pulse, names) = (Arc::new(Pulse::default()), Names::default());
        lock(&names).insert(7, "risk in paper".into());
        let running = Running::new(pulse.clone(), 7);
        let mut seen = Seen::default();
        let mut look = |pulse: &Pulse| match seen.look(0, pulse, &names, Duration::ZERO) {
            Some(ArbiterNews::Blocked { processor, .. }) => processor.unwrap_or_else(|| "nobody".into()),
            Some(ArbiterNews::Turning { .. }) => "turning".into(),
            None => String::new(),
        };
        assert_eq!([look(&pulse), look(&pulse), look(&pulse)], ["", "nobody", ""]);
        running.enter();
        assert_eq!([look(&pulse), look(&pulse)], ["risk in paper", ""]);
        running.leave();
        assert_eq!(look(&pulse), "", "it has not turned yet");
        pulse.beat();
        assert_eq!([look(&pulse), look(&pulse)], ["turning", "nobody"]);
    }
}
