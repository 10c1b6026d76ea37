//! One life of the program on a transport: timed from its start until all that lies in the log is settled.

use std::{sync::Arc, time::Duration};

use pandaflow::{
    NamespaceError, StreamProcessor, SystemClock, TopicSpec,
    codec::{DecodeError, EncodeError},
    ports::{StoreError, Transport},
};
use pandaflow_actors::{Program, Runtime, RuntimeConfig, Services, ServicesConfig, StartError};
use slog::Logger;

use crate::{
    options::Ordering,
    stage::{self, Shape},
    till::{ByKey, ByPartition, Taken, Takings, Till, Unordered},
    usage::{Spent, Stopwatch},
};

/// How often to look whether all is settled.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A payment could not be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A payment could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The namespace has no lawful name.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// Both sides did not do the same: then no ratio means anything.
    #[error("the two sides did not do the same work: {0}")]
    Differs(String),
}

/// Runs the program that `shape` asks for, as a consumer group of its own named by `round`.
pub(crate) async fn run(
    transport: Arc<dyn Transport>,
    shape: &Shape,
    round: usize,
) -> Result<(Spent, Taken), BenchError> {
    match shape.order {
        Ordering::Key => run_as(transport, shape, round, ByKey).await,
        Ordering::Partition => run_as(transport, shape, round, ByPartition).await,
        Ordering::None => run_as(transport, shape, round, Unordered).await,
    }
}

async fn run_as<P: StreamProcessor>(
    transport: Arc<dyn Transport>,
    shape: &Shape,
    round: usize,
    processor: fn(Till) -> P,
) -> Result<(Spent, Taken), BenchError> {
    let takings = Arc::new(Takings::default());
    let shared = takings.clone();
    let program = Program::new()
        .processor(move || processor(Till::new(shared.clone())))
        .topic(TopicSpec::new(stage::TOPIC).partitions(shape.partitions))
        .group_prefix(format!("round-{round}"))
        .namespace(stage::namespace()?);
    let config = RuntimeConfig {
        arbiters: shape.arbiters,
        concurrency: std::num::NonZeroUsize::new(shape.concurrency),
        ..RuntimeConfig::default()
    };
    let log = Logger::root(slog::Discard, slog::o!());
    let services = Services::start(&*transport, ServicesConfig::default());
    let stopwatch = Stopwatch::start();
    let runtime = Runtime::start(&program, transport, services, Arc::new(SystemClock), config, log).await?;
    while settled(&runtime).await? < shape.n {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let spent = stopwatch.spent();
    runtime.shut_down(Duration::from_secs(30)).await;
    Ok((spent, takings.taken()))
}

/// Below how many records all are settled, over all partitions.
async fn settled(runtime: &Runtime) -> Result<u64, StoreError> {
    Ok(runtime.lag().await?.iter().map(|lag| lag.next.0).sum())
}
