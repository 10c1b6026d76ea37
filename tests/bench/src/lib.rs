//! Measures the framework: each workload beside the bound that it is held against, in the same run.
//!
//! `pandaflow-bench` prints rates; `pandaflow-allocations` counts allocations; `cost` beside them counts instructions.

pub mod delay;
pub mod embedded;
mod framework;
pub mod memory;
mod options;
mod payments;
mod plain_loop;
mod report;
mod stage;
mod till;
mod usage;

pub use framework::BenchError;
pub use options::{Cli, Only, Options, Workload};
pub use report::Report;

/// Runs the workload that the command line names; nothing comes back where only one side was asked for.
///
/// # Errors
/// [`BenchError`]
pub async fn run(workload: &Workload) -> Result<Option<Report>, BenchError> {
    match workload {
        Workload::Memory(options) => memory::run(options).await,
        Workload::Embedded(options) => embedded::run(options).await.map(Some),
        Workload::Delay(options) => delay::run(options).await.map(Some),
    }
}
