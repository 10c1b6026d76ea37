//! What a workload is run on: the options with their defaults filled in, the events, and the log that they lie in.

use std::{sync::Arc, time::Duration};

use pandaflow::{
    Namespace, Record, SystemClock, TopicName, TopicSpec, ports::TopicToCreate, ports::Transport,
};
use pandaflow_actors::transport::memory::MemoryTransport;

use crate::{
    BenchError,
    options::{Options, Ordering, Work},
    payments,
};

/// The namespace of the bench.
pub(crate) const NAMESPACE: &str = "bench";
/// The topic of the payments, as declared.
pub(crate) const TOPIC: &str = "payments";

/// The options of a run, complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) n: u64,
    pub(crate) keys: u64,
    pub(crate) concurrency: usize,
    pub(crate) work: Work,
    pub(crate) order: Ordering,
    pub(crate) partitions: u32,
    pub(crate) arbiters: usize,
    pub(crate) rounds: usize,
    pub(crate) handler_times: pandaflow_actors::HandlerTimes,
}

impl Shape {
    /// How many handlers run at once where nothing is asked for.
    const CONCURRENCY: usize = 100;

    /// The `memory` workload: a million payments by 10,000 accounts, nobody waits, 12 partitions, 3 rounds.
    pub(crate) fn memory(options: &Options) -> Self {
        Self {
            n: options.n.unwrap_or(1_000_000),
            keys: options.keys.unwrap_or(10_000),
            concurrency: options.concurrency.unwrap_or(Self::CONCURRENCY),
            work: options.work.unwrap_or_default(),
            order: options.order.unwrap_or_default(),
            partitions: options.partitions.unwrap_or(12),
            arbiters: options.arbiters.unwrap_or(2),
            rounds: options.rounds.unwrap_or(3).max(1),
            handler_times: options.handler_times(),
        }
    }

    /// The `embedded` workload: 200,000 payments by 10,000 accounts, nobody waits, 6 partitions, 3 rounds.
    pub(crate) fn embedded(options: &Options) -> Self {
        Self {
            n: options.n.unwrap_or(200_000),
            partitions: options.partitions.unwrap_or(TopicSpec::DEFAULT_PARTITIONS),
            ..Self::memory(options)
        }
    }

    /// The `delay` workload: 10,000 payments by 20 accounts, each takes up to 5 ms, one partition, 1 round.
    pub(crate) fn delay(options: &Options) -> Self {
        let work = Work { from: Duration::ZERO, to: Duration::from_millis(5) };
        Self {
            n: options.n.unwrap_or(10_000),
            keys: options.keys.unwrap_or(20),
            work: options.work.unwrap_or(work),
            partitions: options.partitions.unwrap_or(1),
            rounds: options.rounds.unwrap_or(1).max(1),
            ..Self::memory(options)
        }
    }
}

#[cfg(feature = "kafka")]
impl Shape {
    /// A workload on a broker: 10,000 accounts, 6 partitions, 3 rounds; `delay` as it is elsewhere.
    pub(crate) fn on_broker(workload: &str, options: &Options) -> Self {
        let (n, rounds) = match workload {
            "transform" => (500_000, 3),
            "latency" => (50_000, 1),
            "delay" => return Self::delay(options),
            _ => (1_000_000, 3),
        };
        Self {
            n: options.n.unwrap_or(n),
            partitions: options.partitions.unwrap_or(TopicSpec::DEFAULT_PARTITIONS),
            rounds: options.rounds.unwrap_or(rounds).max(1),
            ..Self::memory(options)
        }
    }
}

/// The payments, in memory's log.
pub(crate) struct MemoryStage {
    pub(crate) transport: MemoryTransport,
    pub(crate) topic: TopicName,
}

impl MemoryStage {
    /// Draws the payments and publishes them.
    pub(crate) async fn set(shape: &Shape) -> Result<Self, BenchError> {
        let transport = MemoryTransport::new(Arc::new(SystemClock));
        let topic = TopicName::resolve(TOPIC, &namespace()?, &[]);
        transport.create_topics(vec![topic_to_create(shape, &topic)]).await?;
        transport.publish(payments::draw(&topic, shape.n, shape.keys, shape.work)?)?;
        Ok(Self { transport, topic })
    }

    /// All of them, in the order of their partitions and offsets.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.transport.records(&self.topic)
    }
}

pub(crate) fn namespace() -> Result<Namespace, BenchError> {
    Ok(NAMESPACE.parse::<Namespace>()?)
}

pub(crate) fn topic_to_create(shape: &Shape, topic: &TopicName) -> TopicToCreate {
    TopicToCreate {
        topic: topic.clone(),
        partitions: shape.partitions,
        retention: TopicSpec::DEFAULT_RETENTION,
        table: false,
    }
}
