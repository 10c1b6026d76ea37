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
    stage::{self, Shape},
    till::{Taken, Takings, Till},
    usage::{Spent, Stopwatch},
};

/// How often to look whether all is settled: as a part of the time since the start, so that looking is seldom and what
/// it misses is little.
const LOOK_AFTER: u32 = 200;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events could not be put on the log.
    #[error(transparent)]
    Publish(#[from] pandaflow_actors::NotPublished),
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
    /// The embedded log could not be opened.
    #[error(transparent)]
    Open(#[from] pandaflow_actors::transport::embedded::OpenError),
    /// The bare loop's file could not be opened.
    #[error(transparent)]
    Connection(#[from] diesel::ConnectionError),
    /// The bare loop failed.
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    /// There is no place for files.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The settings are not right.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Settings(#[from] pandaflow_actors::EnvironmentError),
    /// The broker, or its client, refused.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] rdkafka::error::KafkaError),
    /// The options don't go together.
    #[error("{0}")]
    Options(&'static str),
    /// Both sides did not do the same: then no ratio means anything.
    #[error("the two sides did not do the same work: {0}")]
    Differs(String),
}

/// Runs a program of one processor as a consumer group of its own, named by `round`.
pub(crate) async fn run<P: StreamProcessor>(
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
        handler_times: shape.handler_times,
        concurrency: std::num::NonZeroUsize::new(shape.concurrency),
        ..RuntimeConfig::default()
    };
    let log = Logger::root(slog::Discard, slog::o!());
    let services = Services::start(&*transport, ServicesConfig::default());
    let stopwatch = Stopwatch::start();
    let runtime = Runtime::start(&program, transport, services, Arc::new(SystemClock), config, log).await?;
    while settled(&runtime).await? < shape.n {
        let pause = stopwatch.spent().wall / LOOK_AFTER;
        tokio::time::sleep(pause.clamp(Duration::from_millis(1), Duration::from_millis(50))).await;
    }
    let spent = stopwatch.spent();
    runtime.drain(Duration::from_secs(30)).await;
    runtime.end().await;
    Ok((spent, takings.taken()))
}

/// Below how many records all are settled, over all partitions.
async fn settled(runtime: &Runtime) -> Result<u64, StoreError> {
    Ok(runtime.lag().await?.iter().map(|lag| lag.next.0).sum())
}
