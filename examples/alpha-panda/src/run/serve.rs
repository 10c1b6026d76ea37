//! `serve`: the pipeline runs until a signal comes. On Kafka each process takes its share of the partitions.

use std::process::ExitCode;

use pandaflow_actors::{Process, Signals, cli, logging};

use super::setup::{Opened, Setup, unless_stopped, with_signals};
use crate::arguments::ServeOptions;

/// Serves, and gives the exit code: 0 if a signal came and all drained in time; 1 if not; 2 if there is something for the
/// user to mend.
pub async fn serve(options: ServeOptions) -> ExitCode {
    with_signals(async |signals| go(&options, signals).await).await
}

async fn go(options: &ServeOptions, signals: &Signals) -> Result<ExitCode, String> {
    let opening = async { Setup::new(&options.place)?.open().await };
    let Opened { setup, transport } = unless_stopped(signals, opening).await?;
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
