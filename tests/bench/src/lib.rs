//! Measures the framework: each workload beside the bound that it is held against, in the same run.
//!
//! `pandaflow-bench` prints rates; `pandaflow-allocations` counts allocations; `cost` beside them counts instructions.

pub mod delay;
pub mod embedded;
pub mod failing;
mod framework;
#[cfg(feature = "kafka")]
mod kafka;
pub mod memory;
mod options;
mod payments;
mod plain_loop;
mod report;
mod stage;
mod till;
mod usage;

pub use framework::BenchError;
pub use options::{BrokerOptions, Cli, Dedup, FailingOptions, Guarantee, Only, Options, Workload};
pub use report::Report;

use failing::Failing;

/// Runs the workload that the command line names; nothing comes back where only one side was asked for.
///
/// # Errors
/// [`BenchError`]
pub async fn run(workload: &Workload) -> Result<Option<Report>, BenchError> {
    match workload {
        Workload::Memory(options) => memory::run(options).await,
        Workload::Embedded(options) => embedded::run(options).await.map(Some),
        Workload::Storm(options) => failing::run(Failing::Storm, options).await.map(Some),
        Workload::Poison(options) => failing::run(Failing::Poison, options).await.map(Some),
        Workload::Delay(broker) if broker.bootstrap.is_none() => delay::run(&broker.options).await.map(Some),
        Workload::Delay(broker) => on_broker("delay", broker).await.map(Some),
        Workload::Consume(broker) => on_broker("consume", broker).await.map(Some),
        Workload::Transform(broker) => on_broker("transform", broker).await.map(Some),
        Workload::Latency(broker) => on_broker("latency", broker).await.map(Some),
    }
}

#[cfg(feature = "kafka")]
async fn on_broker(workload: &'static str, options: &BrokerOptions) -> Result<Report, BenchError> {
    kafka::run(workload, options).await
}

#[cfg(not(feature = "kafka"))]
async fn on_broker(_: &'static str, _: &BrokerOptions) -> Result<Report, BenchError> {
    Err(BenchError::Options("this program was built without Kafka: build it with --features kafka"))
}
