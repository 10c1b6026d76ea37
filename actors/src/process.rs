//! A program as a process: its services, its runtime and its HTTP server on a transport, all by its settings.

use std::{io, sync::Arc, time::Duration};

use pandaflow::{
    Clock, SystemClock,
    policy::{dead_letter_budget::DeadLetterLimits, parking::ParkingLimits, restart_budget::RestartLimits},
    ports::Transport,
    settings::{Settings, WhenStoreIsDown},
};
use slog::Logger;

use crate::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig, StartError,
    dedup::WhenDown,
    health::Phase,
    http::{HttpConfig, HttpError, HttpServer},
};

/// Everything of a program that runs.
pub struct Process {
    runtime: Runtime,
    http: HttpServer,
    deadline: Duration,
}

/// Why a process could not be started; then nothing of it runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The program could not be.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The HTTP server could not be.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Signals could not be taken over.
    #[error("signals can't be listened for: {0}")]
    Signals(#[from] io::Error),
}

impl Process {
    /// Starts `program` on `transport`. Must be called where an actix system runs.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub async fn start(
        program: &Program,
        settings: &Settings,
        transport: Arc<dyn Transport>,
        log: Logger,
    ) -> Result<Self, ProcessError> {
        for told in settings.passed_over() {
            slog::warn!(log, "{told}");
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let services = Services::start(&*transport, services_config(settings));
        let http = HttpConfig { bind: settings.api.bind, ..HttpConfig::default() };
        let http =
            HttpServer::start(http, services.health.clone(), services.metrics.clone(), clock.clone(), &log)?;
        let config = runtime_config(settings);
        let runtime = Runtime::start(program, transport, services, clock, config, log).await?;
        runtime.services().health.phase(Phase::Started);
        Ok(Self { runtime, http, deadline: settings.runtime.shutdown_deadline })
    }

    /// What runs.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Where health and metrics are served.
    #[must_use]
    pub fn http(&self) -> &HttpServer {
        &self.http
    }

    /// Drains within the deadline of the settings. The transport can still be read afterwards. `true` if
    /// everything ended in time.
    pub async fn drain(&self) -> bool {
        self.runtime.services().health.phase(Phase::Draining);
        self.runtime.drain(self.deadline).await
    }

    /// Ends what is left after [`Process::drain`].
    pub async fn end(self) {
        self.http.stop().await;
        self.runtime.end().await;
    }
}

fn runtime_config(settings: &Settings) -> RuntimeConfig {
    let runtime = &settings.runtime;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    RuntimeConfig {
        arbiters: runtime.arbiters.count(cores),
        in_flight_events: runtime.max_in_flight_events,
        in_flight_bytes: runtime.max_in_flight_bytes.bytes(),
        settle_events: runtime.settle_max_events,
        parking: ParkingLimits {
            keys: runtime.max_parked_keys,
            events: runtime.max_parked_events,
            bytes: runtime.max_parked_bytes.bytes(),
        },
        dead_letters: DeadLetterLimits {
            in_a_row: runtime.dead_letters_in_a_row,
            percent: runtime.dead_letters_percent,
        },
        cached_keys: runtime.state_cache_keys.try_into().unwrap_or(std::num::NonZeroUsize::MIN),
        lease: settings.dedup.lease,
        restarts: RestartLimits {
            restarts: runtime.restarts_max as usize,
            window: runtime.restarts_window,
            base: runtime.restart_base_delay,
            cap: runtime.restart_max_delay,
        },
        retries: settings.retry.clone(),
        blocked_arbiter_after: Some(runtime.blocked_arbiter_after),
        check_every: settings.health.check_interval,
        ..RuntimeConfig::default()
    }
}

fn services_config(settings: &Settings) -> ServicesConfig {
    let mut config = ServicesConfig::default();
    config.dedup.when_down = match settings.dedup.when_store_is_down {
        WhenStoreIsDown::Pause => WhenDown::Pause,
        WhenStoreIsDown::Bypass => WhenDown::Bypass,
        WhenStoreIsDown::Local => WhenDown::Local { capacity: settings.dedup.local_capacity },
    };
    config.dedup.timeout = settings.health.timeout;
    config.health.limits.stall_after = settings.health.stall_after;
    config.health.limits.startup_grace = settings.health.startup_grace;
    config
}
