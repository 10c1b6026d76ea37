//! The runtime: starts services, hosts and tasks on a transport, tells how they are, and drains them.

mod applied;
mod arbiters;
mod attempt;
mod board;
mod claim;
mod config;
mod delivery;
mod env;
mod guarded;
mod halt;
mod host;
mod host_seed;
mod key_state;
mod lanes;
mod monitor;
mod open_settlement;
mod permits;
mod pulse;
mod seats;
mod state_cache;
mod state_row;
mod supervisor;
mod task;
mod task_telemetry;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr};
use pandaflow::{
    Clock,
    ports::{Lag, StoreError, Transport},
};
use slog::Logger;
use tokio::sync::watch;

use self::{
    arbiters::Arbiters,
    board::Board,
    halt::Halted,
    monitor::Monitor,
    pulse::{Names, Watchdog},
    supervisor::{ArbiterTold, ReadStates, Shutdown, Supervisor},
    task::TaskLimits,
};
use crate::{
    plan::{Plan, PlanError},
    program::Program,
    services::Services,
};

pub use self::{
    config::{HandlerTimes, RuntimeConfig},
    pulse::ArbiterNews,
    state_row::{StateError, decode as decode_state},
    supervisor::{LifecycleState, OnProcessorFailure, ProcessorState},
};
pub(crate) use self::{host::Surroundings, host_seed::HostSeed, supervisor::StartHost};

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its declarations don't fit together.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Processors declare that they take part in a transaction, and there is none to be had.
    #[error(
        "{} needs a transaction of a database, and settlements are not made in one: set \
         DATABASE__SETTLEMENT=database and DATABASE__URL=postgres://.., and run with --mode kafka",
        .0.join(", ")
    )]
    NoTransactions(Vec<&'static str>),
    /// A store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("a thread can't be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A program that runs. It ends by [`Runtime::drain`] and [`Runtime::end`]; dropping it stops nothing in order.
pub struct Runtime {
    transport: Arc<dyn Transport>,
    services: Services,
    supervisor: Addr<Supervisor>,
    plan: Plan,
    arbiters: Arc<Arbiters>,
    watchdog: Option<Watchdog>,
    monitor: Monitor,
    /// Tasks that a drain's deadline cut off.
    cut_off: Arc<AtomicUsize>,
    fatal: watch::Receiver<Option<String>>,
    halted: watch::Receiver<Option<String>>,
}

impl Runtime {
    /// Starts `program` on `transport`. Must be called where an actix system runs.
    ///
    /// # Errors
    /// [`StartError`]; then nothing runs.
    pub async fn start(
        program: &Program,
        transport: Arc<dyn Transport>,
        services: Services,
        clock: Arc<dyn Clock>,
        config: RuntimeConfig,
        log: Logger,
    ) -> Result<Self, StartError> {
        let plan = program.plan()?;
        if transport.transactions().is_none() {
            let needy = program.declarations().filter(|declaration| declaration.transaction);
            let needy: Vec<_> = needy.map(|declaration| declaration.name).collect();
            if !needy.is_empty() {
                return Err(StartError::NoTransactions(needy));
            }
        }
        transport.create_topics(plan.topics.clone()).await?;
        let arbiters = Arc::new(Arbiters::new(config.arbiters));
        let surroundings = Surroundings {
            transport: transport.clone(),
            services: services.clone(),
            clock,
            arbiters: arbiters.clone(),
            log: log.clone(),
            limits: TaskLimits {
                events: config.in_flight_events,
                bytes: config.in_flight_bytes,
                settle_events: config.settle_events,
                parking: config.parking,
                dead_letters: config.dead_letters,
            },
            cached_keys: config.cached_keys,
            lease: config.lease,
            restarts: config.restarts,
            retries: Arc::new(config.retries),
            concurrency: config.concurrency,
            handler_times: config.handler_times,
            board: Board::default(),
            cut_off: Arc::default(),
            halted: Halted::default(),
        };
        let (hosts, names) = hosts(program, &plan, &surroundings).await?;
        let (tell_fatal, fatal) = watch::channel(None);
        let supervisor =
            Supervisor::new(hosts, config.on_processor_failure, services.health.clone(), log, tell_fatal)
                .start();
        let watchdog = match config.blocked_arbiter_after {
            Some(limit) => {
                arbiters.beat();
                let told = supervisor.clone();
                let tell = move |news| told.do_send(ArbiterTold(news));
                Some(Watchdog::start(arbiters.pulses().to_vec(), names, limit, tell)?)
            }
            None => None,
        };
        let monitor = Monitor::start(
            &plan,
            transport.clone(),
            services.clone(),
            surroundings.board.clone(),
            config.check_every,
        );
        let (cut_off, halted) = (surroundings.cut_off, surroundings.halted.told());
        Ok(Self {
            transport,
            services,
            supervisor,
            plan,
            arbiters,
            watchdog,
            monitor,
            cut_off,
            fatal,
            halted,
        })
    }

    /// The transport that it runs on.
    #[must_use]
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// Its service actors.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// How far each processor is behind, as of one instant.
    ///
    /// # Errors
    /// The transport can't tell.
    pub async fn lag(&self) -> Result<Vec<Lag>, StoreError> {
        let mut lags = self.transport.lag(self.groups()).await?;
        // What an earlier version of a processor read, and this one doesn't, is nothing that it is behind with.
        lags.retain(|lag| {
            let reads = self.plan.processors.iter().filter(|processor| processor.group == lag.group);
            reads.flat_map(|processor| &processor.inputs).any(|input| *input == lag.topic)
        });
        Ok(lags)
    }

    fn groups(&self) -> Vec<pandaflow::Group> {
        self.plan.processors.iter().map(|processor| processor.group.clone()).collect()
    }

    /// Whether every event that lies in the log has been settled by every processor that reads it, and none is parked.
    ///
    /// # Errors
    /// The transport can't tell.
    pub async fn is_idle(&self) -> Result<bool, StoreError> {
        let lags = self.lag().await?;
        // A transport of several processes asks group after group: what one had settled when it was asked, another may have
        // put before it since. If nothing has moved between two rounds, there was an instant at which all was settled.
        if !self.has_settled_all(&lags) || self.lag().await? != lags {
            return Ok(false);
        }
        let ledgers = self.transport.ledgers(self.groups()).await?;
        Ok(ledgers.iter().all(|(_, ledger)| ledger.parked == 0))
    }

    /// Whether by this lag every processor has settled all that it reads. One whose group has not joined yet has no lag to
    /// tell, and everything still before it. Where groups are asked one after the other, see [`Runtime::is_idle`].
    #[must_use]
    pub fn has_settled_all(&self, lags: &[Lag]) -> bool {
        let joined = self.groups().iter().all(|group| lags.iter().any(|lag| lag.group == *group));
        joined && lags.iter().all(|lag| lag.records() == 0)
    }

    /// Where every processor is in its life; empty once the runtime has ended.
    pub async fn states(&self) -> Vec<ProcessorState> {
        self.supervisor.send(ReadStates).await.unwrap_or_default()
    }

    /// Resolves when a processor is over its restart budget and the process should end, with the reason.
    pub async fn failed(&self) -> String {
        told(&self.fatal).await
    }

    /// Resolves when a processor has used up its budget of dead letters, with the reason: it takes no more events in this
    /// process, so that a run that waits for the end of its input would wait for ever.
    pub async fn halted(&self) -> String {
        told(&self.halted).await
    }

    /// Drains within `deadline`: sources stop, lanes end what they have begun, what has ended is settled. The
    /// transport can still be read afterwards. `true` if everything ended in time; `false` if a handler was cut off
    /// or what it left was not settled, so that its event comes again.
    pub async fn drain(&self, deadline: Duration) -> bool {
        let cut_off_before = self.cut_off.load(Ordering::Relaxed);
        let drained = self.supervisor.send(Shutdown { deadline });
        // A task ends by itself at its deadline; the rest is for the hops.
        let in_time = tokio::time::timeout(deadline + Duration::from_secs(1), drained).await.is_ok();
        self.monitor.stop();
        in_time && self.cut_off.load(Ordering::Relaxed) == cut_off_before
    }

    /// Ends all threads, and the transport once its last write is done. [`Runtime::drain`] comes before: what
    /// still runs is dropped. `false` if an arbiter could not be ended, as a handler blocks it.
    pub async fn end(self) -> bool {
        drop(self.watchdog);
        self.transport.close().await;
        let Ok(arbiters) = Arc::try_unwrap(self.arbiters) else { return true };
        let stopped = tokio::task::spawn_blocking(move || arbiters.stop());
        tokio::time::timeout(Duration::from_secs(1), stopped).await.is_ok()
    }
}

/// The first reason that is told. If nothing can be told any more, never.
async fn told(of: &watch::Receiver<Option<String>>) -> String {
    match of.clone().wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        Err(_) => std::future::pending().await,
    }
}

/// A host for each planned processor, and the names that the watchdog knows them by.
async fn hosts(
    program: &Program,
    plan: &Plan,
    surroundings: &Surroundings,
) -> Result<(Vec<Box<dyn StartHost>>, Names), StoreError> {
    let mut hosts = Vec::with_capacity(plan.processors.len());
    let names = Names::default();
    for (number, planned) in (0..).zip(&plan.processors) {
        let mut tables = Vec::with_capacity(planned.tables.len());
        for topic in &planned.tables {
            tables.push(surroundings.transport.tables().open(topic.clone()).await?);
        }
        let name = format!("{} in {}", program.declaration(planned.processor).name, planned.namespace);
        names.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(number, name);
        hosts.push(program.host(planned, tables, number, surroundings.clone()));
    }
    Ok((hosts, names))
}
