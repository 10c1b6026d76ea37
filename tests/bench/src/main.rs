//! `pandaflow-bench`: measures a workload and prints it beside its bound.

use std::process::ExitCode;

use clap::Parser;
use pandaflow_bench::Cli;

// Records are made on one thread and freed on another, which the system's allocator does slowly: without this one
// `pandaflow-bench transform` takes 40 % longer.
#[cfg(feature = "kafka")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.workload.options().json;
    match pandaflow_bench::run(&cli.workload).await {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(report)) if json => match serde_json::to_string(&report) {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error),
        },
        Ok(Some(report)) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("pandaflow-bench: {error}");
    ExitCode::from(2)
}
