//! The arbiters that tasks run on: threads of their own, or the one that is there (test kit).

use std::sync::Arc;

use actix::{Arbiter, ArbiterHandle};

use super::pulse::{BEAT_EVERY, Pulse};

/// A fixed set of arbiters. Tasks are spread over them by partition number.
pub(crate) struct Arbiters {
    own: Vec<Arbiter>,
    handles: Vec<ArbiterHandle>,
    pulses: Vec<Arc<Pulse>>,
}

impl Arbiters {
    /// `count` threads; 0 uses the arbiter that this is called on.
    ///
    /// # Panics
    /// If no actix system runs on this thread.
    pub(crate) fn new(count: usize) -> Self {
        let own: Vec<_> = (0..count).map(|_| Arbiter::new()).collect();
        let handles =
            if own.is_empty() { vec![Arbiter::current()] } else { own.iter().map(Arbiter::handle).collect() };
        let pulses: Vec<_> = handles.iter().map(|_| Arc::new(Pulse::default())).collect();
        Self { own, handles, pulses }
    }

    /// Lets every arbiter beat, for the watchdog. Not in the test kit, whose clock stands still.
    pub(crate) fn beat(&self) {
        for (handle, pulse) in self.handles.iter().zip(&self.pulses) {
            let pulse = pulse.clone();
            handle.spawn(async move {
                let mut interval = tokio::time::interval(BEAT_EVERY);
                loop {
                    interval.tick().await;
                    pulse.beat();
                }
            });
        }
    }

    /// The pulses, in the arbiters' order.
    pub(crate) fn pulses(&self) -> &[Arc<Pulse>] {
        &self.pulses
    }

    /// The arbiter for a partition, and its pulse.
    pub(crate) fn of(&self, partition: u32) -> (ArbiterHandle, Arc<Pulse>) {
        let place = partition as usize % self.handles.len();
        (self.handles[place].clone(), self.pulses[place].clone())
    }

    /// Ends the threads. What still runs on them is dropped, so drain first.
    pub(crate) fn stop(self) {
        for arbiter in &self.own {
            arbiter.stop();
        }
        for arbiter in self.own {
            // An arbiter whose thread panicked has ended as well.
            let _ = arbiter.join();
        }
    }
}
