//! `pandaflow-allocations`: how many allocations one side of the `memory` workload makes. Its allocator counts, so
//! nothing is to be timed with it.

use std::process::ExitCode;

use clap::Parser;
use pandaflow_bench::{Cli, Options, Workload};

fn main() -> ExitCode {
    let Cli { workload } = Cli::parse();
    let workload = match workload {
        // The count is that of one thread: all runs on this one.
        Workload::Memory(options) => Workload::Memory(Options { arbiters: Some(0), ..options }),
        Workload::Embedded(options) => Workload::Embedded(Options { arbiters: Some(0), ..options }),
        other => other,
    };
    let mut outcome = Ok(None);
    let counted = allocation_counter::measure(|| {
        outcome = actix::System::new().block_on(pandaflow_bench::run(&workload));
    });
    match outcome {
        Ok(_) => {
            println!("{}", counted.count_total);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pandaflow-allocations: {error}");
            ExitCode::from(2)
        }
    }
}
