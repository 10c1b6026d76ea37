//! Workloads on a broker, each beside a loop that is written by hand on the same client.

mod deposits;
mod desk;
mod fill;
mod latency;
mod ours;
mod plain;
mod plain_deduped;

use std::{sync::Arc, time::Instant};

use pandaflow::{StreamProcessor, TopicName};

use self::{
    desk::{
        Booking, BookingOnce, ByKey, ByKeyOnce, ByPartition, ByPartitionOnce, Desk, Ledger, Unordered,
        UnorderedOnce,
    },
    ours::Ours,
};
use crate::{
    BenchError,
    delay::bound,
    options::{BrokerOptions, Dedup, Ordering},
    report::{Report, median},
    stage::Shape,
    usage::Spent,
};

/// Where a workload runs.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) bootstrap: Arc<str>,
    pub(crate) topic: TopicName,
    /// The topic of `transform`'s outputs.
    pub(crate) outputs: TopicName,
    /// Where ids that were seen are kept, if anywhere.
    pub(crate) dedup: Dedup,
    /// How often outputs become real.
    pub(crate) guarantee: pandaflow::Guarantee,
    /// What the names of groups begin with.
    pub(crate) group: String,
    pub(crate) shape: Shape,
}

impl Stage {
    fn new(workload: &str, broker: &BrokerOptions) -> Result<Self, BenchError> {
        let bootstrap = broker.bootstrap.as_deref().ok_or(BenchError::Options(
            "a broker is needed: --bootstrap 127.0.0.1:9092, say; examples/servers/servers up starts one",
        ))?;
        let topic = broker.topic.clone().unwrap_or_else(|| format!("bench.{workload}"));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            bootstrap: bootstrap.into(),
            outputs: TopicName::new(&format!("{topic}.outputs")),
            dedup: broker.dedup,
            guarantee: broker.guarantee.into(),
            topic: TopicName::new(&topic),
            group: broker.group.clone().unwrap_or_else(|| format!("bench-{}", now.as_millis())),
            shape: Shape::on_broker(workload, &broker.options),
        })
    }
}

/// Measures a workload.
pub(crate) async fn run(workload: &'static str, broker: &BrokerOptions) -> Result<Report, BenchError> {
    let stage = Stage::new(workload, broker)?;
    let once = broker.dedup != Dedup::None;
    if workload == "latency" {
        return latency::run(&stage, broker.rate, once).await;
    }
    if broker.fill {
        fill::make_anew(&stage, stage.topic.as_str()).await?;
        let filled = stage.clone();
        blocking(move || fill::fill(&filled)).await?;
    }
    match workload {
        "consume" => consume(&stage, once).await,
        "transform" => transform(&stage, once).await,
        _ => delay(&stage, once).await,
    }
}

async fn consume(stage: &Stage, once: bool) -> Result<Report, BenchError> {
    if stage.dedup == Dedup::Redis {
        return consume_deduped(stage).await;
    }
    let mut rounds = Rounds::default();
    for round in 0..stage.shape.rounds {
        let ours = desk(stage, round, once).await?;
        let plain = stage.clone();
        rounds.add(ours, blocking(move || plain::consume(&plain, round)).await?)?;
    }
    Ok(rounds.report("consume", stage, "our rate ÷ the loop's, to be at least 1.0"))
}

/// Beside loops that ask Redis as well.
async fn consume_deduped(stage: &Stage) -> Result<Report, BenchError> {
    let (mut rounds, mut one_by_one) = (Rounds::default(), Vec::new());
    let runtime = tokio::runtime::Handle::current();
    for round in 0..stage.shape.rounds {
        let ours = desk(stage, round, true).await?;
        let (plain, at) = (stage.clone(), runtime.clone());
        rounds.add(ours, blocking(move || plain_deduped::consume(&plain, round, &at)).await?)?;
        let (plain, at) = (stage.clone(), runtime.clone());
        one_by_one.push(blocking(move || plain_deduped::one_by_one(&plain, round, &at)).await?);
    }
    let report =
        rounds.report("consume", stage, "our rate ÷ that of the loop with pipelines, to be at least 0.8");
    let one_by_one = median(one_by_one);
    let times_one_by_one = Some(report.events_per_s / one_by_one);
    Ok(Report { one_by_one_events_per_s: Some(one_by_one), times_one_by_one, ..report })
}

async fn transform(stage: &Stage, once: bool) -> Result<Report, BenchError> {
    let mut rounds = Rounds::default();
    for round in 0..stage.shape.rounds {
        fill::make_anew(stage, stage.outputs.as_str()).await?;
        let ledger = Ledger::new(Instant::now());
        let ours = if once {
            ours::run(stage, round, ledger, BookingOnce, false).await?
        } else {
            ours::run(stage, round, ledger, Booking, false).await?
        };
        let written = stage.clone();
        blocking(move || fill::check_outputs(&written)).await?;
        let plain = stage.clone();
        rounds.add(ours, blocking(move || plain::transform(&plain, round)).await?)?;
    }
    Ok(rounds.report("transform", stage, "our rate ÷ the loop's, to be at least 0.8"))
}

async fn delay(stage: &Stage, once: bool) -> Result<Report, BenchError> {
    let ours = desk(stage, 0, once).await?;
    if ours.taken.payments != stage.shape.n {
        return Err(BenchError::Differs(format!("{} handled of {}", ours.taken.payments, stage.shape.n)));
    }
    let bound = bound(&stage.shape, &ours.taken).as_secs_f64();
    Ok(Report {
        bound_seconds: bound,
        ratio: ours.spent.wall.as_secs_f64() / bound,
        target: "our time ÷ the bound, to be at most 1.2",
        cold_start_seconds: Some(ours.cold_start.as_secs_f64()),
        ..Report::new("delay", &stage.shape, ours.spent)
    })
}

async fn desk(stage: &Stage, round: usize, once: bool) -> Result<Ours, BenchError> {
    async fn of<P: StreamProcessor>(
        stage: &Stage,
        round: usize,
        processor: fn(Desk) -> P,
    ) -> Result<Ours, BenchError> {
        ours::run(stage, round, Ledger::new(Instant::now()), processor, false).await
    }
    match (stage.shape.order, once) {
        (Ordering::Key, false) => of(stage, round, ByKey).await,
        (Ordering::Key, true) => of(stage, round, ByKeyOnce).await,
        (Ordering::Partition, false) => of(stage, round, ByPartition).await,
        (Ordering::Partition, true) => of(stage, round, ByPartitionOnce).await,
        (Ordering::None, false) => of(stage, round, Unordered).await,
        (Ordering::None, true) => of(stage, round, UnorderedOnce).await,
    }
}

/// Rounds in which both sides did the same.
#[derive(Default)]
struct Rounds {
    ours: Vec<Spent>,
    loops: Vec<Spent>,
    ratios: Vec<f64>,
    cold_starts: Vec<f64>,
    /// Before the first loop ran in the same process.
    max_rss_mb: Option<f64>,
}

impl Rounds {
    fn add(&mut self, ours: Ours, (plain, expected): (Spent, crate::till::Taken)) -> Result<(), BenchError> {
        if (ours.taken.payments, ours.taken.cents) != (expected.payments, expected.cents) {
            return Err(BenchError::Differs(format!("{:?} instead of {expected:?}", ours.taken)));
        }
        self.ratios.push(plain.wall.as_secs_f64() / ours.spent.wall.as_secs_f64());
        self.cold_starts.push(ours.cold_start.as_secs_f64());
        self.ours.push(ours.spent);
        self.loops.push(plain);
        self.max_rss_mb.get_or_insert_with(crate::usage::max_rss_mb);
        Ok(())
    }

    fn report(self, workload: &'static str, stage: &Stage, target: &'static str) -> Report {
        let bound = Spent::median(&self.loops);
        let report = Report::new(workload, &stage.shape, Spent::median(&self.ours));
        Report {
            bound_seconds: bound.wall.as_secs_f64(),
            bound_events_per_s: Some(stage.shape.n as f64 / bound.wall.as_secs_f64()),
            bound_cpu_s: Some(bound.cpu.as_secs_f64()),
            cold_start_seconds: Some(median(self.cold_starts)),
            max_rss_mb: self.max_rss_mb.unwrap_or(report.max_rss_mb),
            ratio: median(self.ratios),
            target,
            ..report
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BenchError> + Send + 'static,
) -> Result<T, BenchError> {
    tokio::task::spawn_blocking(work).await.map_err(|panicked| BenchError::Differs(panicked.to_string()))?
}
