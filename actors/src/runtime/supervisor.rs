//! The lifecycle supervisor: starts the hosts in order, hears of their failures, and stops them in order.

use std::{collections::BTreeMap, time::Duration};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, Recipient,
    ResponseActFuture, WrapFuture,
};
use futures_util::future::join_all;
use pandaflow::{Group, Namespace};
use slog::Logger;
use tokio::sync::watch;

use super::{
    host::{DrainHost, HostFailed},
    pulse::ArbiterNews,
};
use crate::health::{ArbiterState, HealthHandle, ReportArbiter};

/// How often the supervisor shows that it lives.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Where a part is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifecycleState {
    /// Being started.
    Starting,
    /// At work.
    Running,
    /// Ending what has begun.
    Draining,
    /// Ended as told.
    Stopped,
    /// Over its restart budget, for this reason.
    Failed(String),
}

/// What follows when a processor is over its restart budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnProcessorFailure {
    /// The process drains and ends with an error, so that whoever runs it starts it anew. The default.
    #[default]
    StopProcess,
    /// The other processors go on; readiness says what is missing.
    KeepOthers,
}

/// The state of one processor in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorState {
    /// The processor.
    pub processor: String,
    /// The namespace.
    pub namespace: Namespace,
    /// Where it is in its life.
    pub state: LifecycleState,
}

/// A host that can be started; made once per processor and namespace, and kept, so that the supervisor owns it.
pub(crate) trait StartHost {
    /// Its group.
    fn group(&self) -> &Group;
    /// Its processor's name and namespace.
    fn who(&self) -> (&'static str, &Namespace);
    /// Starts it.
    fn start(&self, supervisor: Recipient<HostFailed>) -> Recipient<DrainHost>;
}

/// Drain all hosts, in order, then stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Shutdown {
    pub(crate) deadline: Duration,
}

/// Where is everything?
#[derive(Debug, Message)]
#[rtype(result = "Vec<ProcessorState>")]
pub(crate) struct ReadStates;

/// News of the watchdog.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ArbiterTold(pub(crate) ArbiterNews);

struct Supervised {
    host: Box<dyn StartHost>,
    state: LifecycleState,
    drain: Option<Recipient<DrainHost>>,
}

/// The actor.
pub(crate) struct Supervisor {
    hosts: Vec<Supervised>,
    places: BTreeMap<Group, usize>,
    on_failure: OnProcessorFailure,
    health: HealthHandle,
    log: Logger,
    /// Told once, when the process must end.
    fatal: watch::Sender<Option<String>>,
}

impl Supervisor {
    /// Supervises `hosts`: they are started in this order and stopped in the reverse one.
    pub(crate) fn new(
        hosts: Vec<Box<dyn StartHost>>,
        on_failure: OnProcessorFailure,
        health: HealthHandle,
        log: Logger,
        fatal: watch::Sender<Option<String>>,
    ) -> Self {
        let places = hosts.iter().enumerate().map(|(place, host)| (host.group().clone(), place)).collect();
        let hosts = hosts
            .into_iter()
            .map(|host| Supervised { host, state: LifecycleState::Starting, drain: None })
            .collect();
        Self { hosts, places, on_failure, health, log, fatal }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
        let address = ctx.address();
        for supervised in &mut self.hosts {
            supervised.drain = Some(supervised.host.start(address.clone().recipient()));
            supervised.state = LifecycleState::Running;
        }
        ctx.run_interval(BEAT_EVERY, |supervisor, _| supervisor.health.supervisor_beat());
    }
}

impl Handler<HostFailed> for Supervisor {
    type Result = ();

    fn handle(&mut self, failed: HostFailed, _: &mut Self::Context) {
        let Some(supervised) = self.places.get(&failed.group).and_then(|place| self.hosts.get_mut(*place))
        else {
            return;
        };
        supervised.state = LifecycleState::Failed(failed.reason.clone());
        let (processor, namespace) = supervised.host.who();
        let reason = format!("processor {processor} in {namespace}: {}", failed.reason);
        slog::error!(self.log, "a processor is over its restart budget"; "reason" => &reason, "then" => ?self.on_failure);
        match self.on_failure {
            OnProcessorFailure::StopProcess => {
                // The first reason is the one to tell.
                self.fatal.send_if_modified(|fatal| {
                    let first = fatal.is_none();
                    fatal.get_or_insert(reason);
                    first
                });
            }
            OnProcessorFailure::KeepOthers => {
                if let Some(drain) = supervised.drain.take() {
                    drain.do_send(DrainHost { deadline: Duration::ZERO });
                }
            }
        }
    }
}

impl Handler<ReadStates> for Supervisor {
    type Result = MessageResult<ReadStates>;

    fn handle(&mut self, _: ReadStates, _: &mut Self::Context) -> Self::Result {
        let state = |supervised: &Supervised| {
            let (processor, namespace) = supervised.host.who();
            ProcessorState {
                processor: processor.to_owned(),
                namespace: namespace.clone(),
                state: supervised.state.clone(),
            }
        };
        MessageResult(self.hosts.iter().map(state).collect())
    }
}

impl Handler<ArbiterTold> for Supervisor {
    type Result = ();

    fn handle(&mut self, ArbiterTold(news): ArbiterTold, _: &mut Self::Context) {
        match news {
            ArbiterNews::Blocked { arbiter, processor, since } => {
                let who = processor.unwrap_or_else(|| "no processor".into());
                slog::error!(self.log, "an arbiter is blocked: a handler doesn't yield"; "arbiter" => arbiter, "processor" => &who, "since" => ?since);
                let state = ArbiterState::Blocked { processor: who, since };
                self.health.arbiter(ReportArbiter { arbiter: format!("arbiter {arbiter}"), state });
            }
            ArbiterNews::Turning { arbiter } => {
                slog::info!(self.log, "an arbiter turns again"; "arbiter" => arbiter);
                let state = ArbiterState::Turning;
                self.health.arbiter(ReportArbiter { arbiter: format!("arbiter {arbiter}"), state });
            }
        }
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, Shutdown { deadline }: Shutdown, _: &mut Self::Context) -> Self::Result {
        // All at once: each source stops first, and what a lane emits while it drains lies in the log for the next life.
        let drains: Vec<_> = self
            .hosts
            .iter_mut()
            .rev()
            .filter_map(|supervised| {
                let drain = supervised.drain.take()?;
                if supervised.state == LifecycleState::Running {
                    supervised.state = LifecycleState::Draining;
                }
                Some(drain.send(DrainHost { deadline }))
            })
            .collect();
        Box::pin(join_all(drains).into_actor(self).map(|_, supervisor, ctx| {
            for supervised in &mut supervisor.hosts {
                if supervised.state == LifecycleState::Draining {
                    supervised.state = LifecycleState::Stopped;
                }
            }
            ctx.stop();
        }))
    }
}
