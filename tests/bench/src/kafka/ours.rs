//! One life of the program on the broker: timed from its first event until all that lies there is settled.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pandaflow::{
    Namespace, StreamProcessor, SystemClock, TopicSpec,
    ports::{DedupStore, Transport},
    settings::Loader,
};
use pandaflow_actors::{
    Program, Runtime, RuntimeConfig, Services, ServicesConfig, read_settings,
    transport::{
        kafka::{KafkaConfig, KafkaTransport},
        memory::MemoryTransport,
        redis::{RedisConfig, RedisDedupStore},
    },
};
use slog::Logger;

use super::{
    Stage,
    desk::{Desk, Ledger},
};
use crate::{
    BenchError,
    options::Dedup,
    stage::NAMESPACE,
    till::Taken,
    usage::{Spent, Stopwatch},
};

/// How often to look whether all is settled.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What came of it.
pub(crate) struct Ours {
    pub(crate) spent: Spent,
    pub(crate) taken: Taken,
    pub(crate) latencies: Vec<u64>,
    /// From the start to the first event.
    pub(crate) cold_start: Duration,
}

/// Where ids that were seen are kept; nobody asks the memory where the processor doesn't dedup.
fn dedup(dedup: Dedup) -> Result<Arc<dyn DedupStore>, BenchError> {
    if dedup == Dedup::Redis {
        let settings = read_settings(&Loader::new())?;
        return Ok(Arc::new(RedisDedupStore::open(&RedisConfig::from(&settings.redis))?));
    }
    Ok(MemoryTransport::new(Arc::new(SystemClock)).dedup())
}

/// Runs a program of one processor until as many events are settled.
pub(crate) async fn run<P: StreamProcessor>(
    stage: &Stage,
    round: usize,
    ledger: Arc<Ledger>,
    processor: fn(Desk) -> P,
    measures_latency: bool,
) -> Result<Ours, BenchError> {
    let shape = stage.shape;
    let config =
        KafkaConfig { guarantee: stage.guarantee, ..KafkaConfig::new(&stage.bootstrap, dedup(stage.dedup)?) };
    let transport: Arc<dyn Transport> = Arc::new(KafkaTransport::new(config)?);
    let shared = ledger.clone();
    let program = Program::new()
        .processor(move || processor(Desk::new(shared.clone(), measures_latency)))
        .topic(TopicSpec::new("deposits").partitions(shape.partitions))
        .topic(TopicSpec::new("bookings").partitions(shape.partitions))
        .topic_called("deposits", stage.topic.clone())
        .topic_called("bookings", stage.outputs.clone())
        .group_prefix(format!("{}.ours-{round}", stage.group))
        .namespace(NAMESPACE.parse::<Namespace>()?);
    let config = RuntimeConfig {
        arbiters: shape.arbiters,
        handler_times: shape.handler_times,
        concurrency: std::num::NonZeroUsize::new(shape.concurrency),
        ..RuntimeConfig::default()
    };
    let log = Logger::root(slog::Discard, slog::o!());
    let services = Services::start(&*transport, ServicesConfig::default());
    let began = Instant::now();
    let stopwatch = Stopwatch::start();
    let runtime = Runtime::start(&program, transport, services, Arc::new(SystemClock), config, log).await?;
    while runtime.lag().await?.iter().map(|lag| lag.next.0).sum::<u64>() < shape.n {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let Spent { wall, cpu } = stopwatch.spent();
    runtime.drain(Duration::from_secs(30)).await;
    runtime.end().await;
    let cold_start = ledger.first().map_or(wall, |first| first.duration_since(began));
    let (taken, latencies) = (ledger.taken(), ledger.latencies());
    Ok(Ours { spent: Spent { wall: wall.saturating_sub(cold_start), cpu }, taken, latencies, cold_start })
}
