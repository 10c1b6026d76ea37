//! The `storm` and `poison` workloads: a program in which something fails, against the same program on the same events in which
//! nothing does.

use std::{path::Path, sync::Arc, time::Duration};

use pandaflow::{Classify, Context, Event, Handle, StreamProcessor, ports::Transport};
use pandaflow_actors::transport::embedded::{EmbeddedConfig, EmbeddedTransport};

use crate::{
    BenchError, embedded, framework,
    options::{FailingOptions, Ordering},
    payments::{self, PaymentMade},
    report::{Report, median},
    stage::{self, MemoryStage, Shape},
    till::Till,
    usage::Spent,
};

/// One payment in so many fails in a storm, twice.
const ONE_IN: i64 = 10;
/// The account whose payments are never taken.
const POISON: &str = "account-000000";
/// Longer than any run: the key stays parked.
const COME_BACK: Duration = Duration::from_secs(24 * 3_600);

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// One payment in ten, twice.
    Storm,
    /// All payments of one account.
    Poison,
}

#[derive(Debug, thiserror::Error, Classify)]
enum Refused {
    #[error("not now")]
    #[class(transient)]
    NotNow,
    #[error("not for long")]
    #[class(rate_limit, retry_after = after)]
    NotForLong { after: Duration },
}

#[derive(StreamProcessor)]
#[processor(
    name = "till",
    input(topic = "payments", event = PaymentMade),
    retry(class = "transient", attempts = 3, backoff = "10ms..100ms")
)]
struct Counter {
    till: Till,
    fails: Option<Failing>,
}

impl Counter {
    fn calm(till: Till) -> Self {
        Self { till, fails: None }
    }

    fn in_a_storm(till: Till) -> Self {
        Self { till, fails: Some(Failing::Storm) }
    }

    fn poisoned(till: Till) -> Self {
        Self { till, fails: Some(Failing::Poison) }
    }
}

impl Handle<PaymentMade> for Counter {
    type Error = Refused;

    async fn handle(&mut self, payment: Event<PaymentMade>, ctx: &mut Context<Self>) -> Result<(), Refused> {
        match self.fails {
            Some(Failing::Storm) if payment.cents % ONE_IN == 0 && ctx.attempt() <= 2 => {
                return Err(Refused::NotNow);
            }
            Some(Failing::Poison) if payment.account == POISON => {
                return Err(Refused::NotForLong { after: COME_BACK });
            }
            _ => self.till.handle(payment).await,
        }
        Ok(())
    }
}

/// Where the payments lie. A file is opened anew for each run, which closes it.
enum Place {
    Memory(MemoryStage),
    Embedded(tempfile::TempDir),
}

impl Place {
    async fn set(options: &FailingOptions, shape: &Shape) -> Result<Self, BenchError> {
        if !options.embedded {
            return Ok(Self::Memory(MemoryStage::set(shape).await?));
        }
        let folder = tempfile::tempdir()?;
        let transport = EmbeddedTransport::open(file(folder.path()), EmbeddedConfig::default())?;
        embedded::publish(&transport, shape).await?;
        transport.close().await;
        Ok(Self::Embedded(folder))
    }

    fn open(&self) -> Result<Arc<dyn Transport>, BenchError> {
        Ok(match self {
            Self::Memory(stage) => Arc::new(stage.transport.clone()),
            Self::Embedded(folder) => {
                Arc::new(EmbeddedTransport::open(file(folder.path()), EmbeddedConfig::default())?)
            }
        })
    }
}

fn file(folder: &Path) -> std::path::PathBuf {
    folder.join("payments.db")
}

/// Measures both in turn, round by round, and tells the medians. The one that goes first changes with the round.
///
/// # Errors
/// [`BenchError`]
pub async fn run(failing: Failing, options: &FailingOptions) -> Result<Report, BenchError> {
    let shape =
        if options.embedded { Shape::embedded(&options.options) } else { Shape::memory(&options.options) };
    if shape.order != Ordering::Key {
        return Err(BenchError::Options("what fails is tried again in the order of its key: --order key"));
    }
    let place = Place::set(options, &shape).await?;
    let left_out = left_out(failing, &shape)?;
    let (mut calms, mut fails, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..shape.rounds {
        let of_both = |side| 2 * round + side;
        let mut calm = None;
        if round % 2 == 0 {
            calm = Some(framework::run(place.open()?, &shape, of_both(0), Counter::calm).await?);
        }
        let make = match failing {
            Failing::Storm => Counter::in_a_storm,
            Failing::Poison => Counter::poisoned,
        };
        let (failed, taken) = framework::run(place.open()?, &shape, of_both(1), make).await?;
        let (calm, all) = match calm {
            Some(calm) => calm,
            None => framework::run(place.open()?, &shape, of_both(0), Counter::calm).await?,
        };
        if all.payments != shape.n || taken.payments + left_out != shape.n {
            return Err(BenchError::Differs(format!(
                "{} payments without failures, and {} with {left_out} left out, of {}",
                all.payments, taken.payments, shape.n
            )));
        }
        ratios.push(calm.wall.as_secs_f64() / failed.wall.as_secs_f64());
        calms.push(calm);
        fails.push(failed);
    }
    let (workload, target) = match failing {
        Failing::Storm => ("storm", "our rate ÷ the rate without failures, to be at least 0.5"),
        Failing::Poison => ("poison", "our rate ÷ the rate without failures, to be at least 0.9"),
    };
    let bound = Spent::median(&calms);
    Ok(Report {
        bound_seconds: bound.wall.as_secs_f64(),
        bound_events_per_s: Some(shape.n as f64 / bound.wall.as_secs_f64()),
        bound_cpu_s: Some(bound.cpu.as_secs_f64()),
        ratio: median(ratios),
        target,
        ..Report::new(workload, &shape, Spent::median(&fails))
    })
}

/// How many payments are not taken while something fails.
fn left_out(failing: Failing, shape: &Shape) -> Result<u64, BenchError> {
    if failing == Failing::Storm {
        return Ok(0);
    }
    let topic = pandaflow::TopicName::resolve(stage::TOPIC, &stage::namespace()?, &[]);
    let drawn = payments::draw(&topic, shape.n, shape.keys, shape.work)?;
    Ok(drawn.iter().filter(|payment| payment.key.as_deref() == Some(POISON.as_bytes())).count() as u64)
}
