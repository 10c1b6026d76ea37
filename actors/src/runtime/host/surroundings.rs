//! What a host needs to know of its surroundings.

use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use pandaflow::{
    Clock,
    policy::{restart_budget::RestartLimits, retry::RetryOverrides},
    ports::Transport,
};
use slog::Logger;

use crate::{
    runtime::{arbiters::Arbiters, board::Board, config::HandlerTimes, halt::Halted, task::TaskLimits},
    services::Services,
};

/// The same for all hosts of a process.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) services: Services,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) arbiters: Arc<Arbiters>,
    pub(crate) log: Logger,
    pub(crate) limits: TaskLimits,
    pub(crate) cached_keys: NonZeroUsize,
    pub(crate) lease: Duration,
    pub(crate) restarts: RestartLimits,
    /// Retries otherwise than processors declare them.
    pub(crate) retries: Arc<RetryOverrides>,
    /// Attempts of each processor at once, in place of what it declares.
    pub(crate) concurrency: Option<NonZeroUsize>,
    pub(crate) handler_times: HandlerTimes,
    pub(crate) board: Board,
    /// Tasks that a drain's deadline cut off.
    pub(crate) cut_off: Arc<AtomicUsize>,
    /// Told of processors that take no more events.
    pub(crate) halted: Halted,
}

impl Surroundings {
    /// How many attempts of a processor run at once.
    pub(super) fn concurrency(&self, declared: usize) -> usize {
        self.concurrency.map_or(declared, NonZeroUsize::get)
    }
}
