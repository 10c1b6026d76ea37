//! The metrics actor: owns the recorder, adds batches, renders.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use actix::{Actor, ActorContext, ArbiterHandle, AsyncContext, Context, Handler, MessageResult};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::{
    BOUNDS, CountService, ForgetGauges, MetricsConfig, MetricsHandle, MetricsMailboxes, Observe,
    RenderMetrics, ServiceCount, live::Live, series::Counters,
};
use crate::mailbox::Mailbox;

/// Counts. Its recorder is its own, so that several apps can live in one process. It ends when the last handle
/// is gone.
pub struct MetricsActor {
    config: MetricsConfig,
    counters: Counters,
    live: Live,
    prometheus: PrometheusHandle,
    dropped: Arc<AtomicU64>,
}

impl MetricsActor {
    /// Starts it on `arbiter`.
    #[must_use]
    pub fn start(arbiter: &ArbiterHandle, config: MetricsConfig) -> MetricsHandle {
        // Handlers' own histograms get the same buckets. They fail only when there are none.
        let builder = PrometheusBuilder::new();
        let recorder = Arc::new(builder.set_buckets(&BOUNDS).unwrap_or_default().build_recorder());
        let dropped = Arc::<AtomicU64>::default();
        let (owned, counted) = (Arc::clone(&recorder), Arc::clone(&dropped));
        let to = Self::start_in_arbiter(arbiter, move |ctx| {
            ctx.set_mailbox_capacity(config.mailbox);
            let prometheus = owned.handle();
            Self {
                config,
                counters: Counters::new(owned),
                live: Live::default(),
                prometheus,
                dropped: counted,
            }
        });
        let mailboxes = MetricsMailboxes {
            observe: Mailbox::new("metrics", to.clone().recipient(), config.mailbox),
            forget: Mailbox::new("metrics", to.clone().recipient(), config.mailbox),
            count: Mailbox::new("metrics", to.clone().recipient(), config.mailbox),
            render: Mailbox::new("metrics", to.recipient(), config.mailbox),
        };
        MetricsHandle::with(mailboxes, recorder, dropped)
    }
}

impl Actor for MetricsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.config.upkeep_every, |actor, ctx| {
            actor.prometheus.run_upkeep();
            // The timer would keep the actor although nobody can reach it.
            if !ctx.connected() {
                ctx.stop();
            }
        });
    }
}

impl Handler<Observe> for MetricsActor {
    type Result = ();

    fn handle(&mut self, Observe(batch): Observe, _ctx: &mut Self::Context) {
        self.counters.add(&batch);
        self.live.add(&batch);
    }
}

impl Handler<ForgetGauges> for MetricsActor {
    type Result = ();

    fn handle(&mut self, ForgetGauges(task): ForgetGauges, _ctx: &mut Self::Context) {
        self.live.forget(&task);
    }
}

impl Handler<CountService> for MetricsActor {
    type Result = ();

    fn handle(&mut self, CountService(count): CountService, _ctx: &mut Self::Context) {
        match count {
            ServiceCount::OutboxRows(rows) => self.live.outbox(rows),
            count => self.counters.count(&count),
        }
    }
}

impl Handler<RenderMetrics> for MetricsActor {
    type Result = MessageResult<RenderMetrics>;

    fn handle(&mut self, RenderMetrics: RenderMetrics, _ctx: &mut Self::Context) -> Self::Result {
        self.counters.dropped(self.dropped.load(Ordering::Relaxed));
        let mut text = self.prometheus.render();
        self.live.render(&mut text);
        MessageResult(text)
    }
}
