//! `serve`: the pipeline runs until a signal comes. On Kafka each process takes its share of the partitions.

use std::process::ExitCode;

use pandaflow_actors::{Process, Signals, cli, logging};

use super::setup::{Opened, Setup};
use crate::arguments::ServeOptions;

/// Serves, and gives the exit code: 0 if a signal came and all drained in time; 1 if not; 2 if there is something for the
/// user to mend.
pub async fn serve(options: ServeOptions) -> ExitCode {
    // From the first moment on, so that a signal at any time drains.
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return cli::refuse(error),
    };
    match go(&options, &signals).await {
        Ok(code) => code,
        Err(message) => cli::refuse(message),
    }
}

async fn go(options: &ServeOptions, signals: &Signals) -> Result<ExitCode, String> {
    let Opened { setup, transport } = Setup::new(&options.place)?.open().await?;
    let process = Process::start(&setup.program, &setup.settings, transport, logging::logger())
        .await
        .map_err(|error| error.to_string())?;
    slog::info!(logging::logger(), "serving"; "health" => %process.http().addr(), "data" => setup.whereabouts());
    let mut code = tokio::select! {
        () = signals.first() => ExitCode::SUCCESS,
        reason = process.runtime().failed() => {
            cli::warn(format_args!("error: {reason}"));
            ExitCode::FAILURE
        }
    };
    if !process.drain().await {
        cli::warn("error: not everything ended within RUNTIME__SHUTDOWN_DEADLINE");
        code = ExitCode::FAILURE;
    }
    process.end().await;
    Ok(code)
}
