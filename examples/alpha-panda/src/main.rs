//! The trading pipeline's command line.

use std::process::ExitCode;

use alpha_panda::arguments::{Arguments, Command};
use clap::Parser;
use pandaflow_actors::cli;

// Records are made on one thread and freed on another, which the system's allocator does slowly: without this one
// `pandaflow-bench transform` takes 40 % longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix::main]
async fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match command.unwrap_or_default() {
        Command::Run(options) => alpha_panda::run::run(options).await,
        Command::Serve(options) => alpha_panda::run::serve(options).await,
        Command::Feed(options) => alpha_panda::run::feed(options).await,
        Command::Report(options) => alpha_panda::run::report(options).await,
        Command::Topics { command } => alpha_panda::arguments::topics(command).await,
        Command::DeadLetters(letters) => {
            letters.run(&alpha_panda::arguments::loader(), alpha_panda::arguments::data_by).await
        }
        Command::Config { command } => cli::answer(command.run(&alpha_panda::arguments::loader())),
    }
}
