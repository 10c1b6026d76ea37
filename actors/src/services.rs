//! The service actors of a process, as the others reach them.

use actix::Arbiter;
use pandaflow::ports::Transport;

use crate::{
    dead_letters::{DeadLetterActor, DeadLetterConfig, DeadLetterHandle},
    dedup::{DedupActor, DedupConfig, DedupHandle},
    health::{HealthActor, HealthConfig, HealthHandle},
    metrics::{MetricsActor, MetricsConfig, MetricsHandle},
};

/// Handles of dedup, dead letters, health and metrics: of the real actors, or of mocks.
#[derive(Clone)]
pub struct Services {
    /// Which events were handled already.
    pub dedup: DedupHandle,
    /// Where events that were given up on go.
    pub dead_letters: DeadLetterHandle,
    /// How things are.
    pub health: HealthHandle,
    /// What is counted.
    pub metrics: MetricsHandle,
}

/// How the service actors behave.
#[derive(Debug, Clone, Default)]
pub struct ServicesConfig {
    /// The dedup service.
    pub dedup: DedupConfig,
    /// The dead-letter service.
    pub dead_letters: DeadLetterConfig,
    /// The health service.
    pub health: HealthConfig,
    /// The metrics service.
    pub metrics: MetricsConfig,
}

impl Services {
    /// Starts the service actors on this thread's arbiter, over the stores of a transport.
    ///
    /// # Panics
    /// If no actix system runs on this thread.
    #[must_use]
    pub fn start(transport: &dyn Transport, config: ServicesConfig) -> Self {
        let arbiter = Arbiter::current();
        let metrics = MetricsActor::start(&arbiter, config.metrics);
        let health = HealthActor::start(&arbiter, config.health);
        let dedup =
            DedupActor::start(&arbiter, config.dedup, transport.dedup(), health.clone(), metrics.clone());
        let dead_letters = DeadLetterActor::start(
            &arbiter,
            config.dead_letters,
            transport.dead_letters(),
            health.clone(),
            metrics.clone(),
        );
        Self { dedup, dead_letters, health, metrics }
    }
}
