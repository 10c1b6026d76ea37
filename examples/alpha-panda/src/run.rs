//! `run`: the feed goes through the pipeline to its end; then, or when a signal comes, the report is printed.

#[cfg(feature = "redis")]
mod portfolio_cache;
mod progress;
mod publish;
mod publish_alone;
mod read_report;
mod report;
mod serve;
mod setup;

use std::{net::TcpListener, process::ExitCode, time::Duration};

use pandaflow::ports::StoreError;
use pandaflow_actors::{Mode, Process, Signals, cli, logging, transport::embedded::EmbeddedTransport};
use tokio::time::Instant;

use self::{
    progress::Progress,
    publish::{FeedPublisher, Pace},
    report::{Fed, Report},
    setup::{Opened, Setup, check, unless_stopped, with_signals},
};
pub use self::{publish_alone::feed, read_report::report, serve::serve};
use crate::{arguments::RunOptions, feed::FileSummary};

/// How often the run looks how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long it may be impossible to say how far the run is, while a server is away: its clients wait for it, and whoever
/// mends it has this long.
const AWAY_AT_MOST: Duration = Duration::from_secs(10 * 60);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// The feed was read to its end, and every event has been handled.
    Done,
    /// A signal came.
    Interrupted,
    /// It can't go on.
    Failed(String),
}

/// Runs, and gives the exit code: 0 if the feed was read to its end, everything settled and every ledger balances,
/// or if a signal came and everything drained in time; 1 if not; 2 if there is something for the user to mend.
pub async fn run(options: RunOptions) -> ExitCode {
    with_signals(async |signals| {
        let (opened, files) = unless_stopped(signals, prepare(&options)).await?;
        go(&options, &opened, &files, signals).await
    })
    .await
}

/// Everything that a user could have got wrong is checked before anything is deleted or begun.
async fn prepare(options: &RunOptions) -> Result<(Opened, Vec<FileSummary>), String> {
    if options.fresh && options.place.mode == Mode::Kafka {
        return Err("--fresh goes with --mode embedded: on Kafka, delete the topics and the groups".into());
    }
    let setup = Setup::new(&options.place)?;
    let files = check(options.files.paths()).await?;
    if options.fresh {
        // What could still refuse the run comes before anything is deleted.
        let bind = setup.settings.api.bind;
        drop(TcpListener::bind(bind).map_err(|error| format!("API__BIND={bind}: {error}"))?);
        EmbeddedTransport::remove(setup.data()).map_err(|error| error.to_string())?;
    }
    Ok((setup.open().await?, files))
}

async fn go(
    options: &RunOptions,
    opened: &Opened,
    files: &[FileSummary],
    signals: &Signals,
) -> Result<ExitCode, String> {
    let began = Instant::now();
    let Opened { setup, transport } = opened;
    let process = Process::start(&setup.program, &setup.settings, transport.clone(), logging::logger())
        .await
        .map_err(|error| error.to_string())?;
    slog::info!(logging::logger(), "serving health and metrics"; "address" => %process.http().addr());
    let mut progress = Progress::new(files.iter().map(|file| file.lines).sum());
    let mut faults = Vec::new();
    let (feed, end) = match FeedPublisher::start(opened, files, Pace::Unbounded).await {
        Ok(feed) => {
            let end = follow(&process, &feed, signals, &mut progress).await;
            feed.stop().await;
            (Some(feed), end)
        }
        Err(error) => (None, End::Failed(error)),
    };
    if let End::Failed(reason) = &end {
        faults.push(reason.clone());
    }
    if !process.drain().await {
        faults.push("not everything ended within RUNTIME__SHUTDOWN_DEADLINE".to_owned());
    }
    progress.finish();
    let report = match &feed {
        Some(feed) => {
            let now = Some((feed.published_now(), began.elapsed()));
            let fed = Fed { files, events: feed.published(), now };
            Report::read(opened, &fed).await.map_err(|error| error.to_string())
        }
        None => Err("there is no report".to_owned()),
    };
    process.end().await;
    let printed = report.and_then(|report| {
        faults.extend(if end == End::Done { report.faults() } else { report.imbalances() });
        report.text(options.json).map(|text| cli::print(&text)).map_err(|error| error.to_string())
    });
    let printed = printed.unwrap_or_else(|error| {
        faults.push(error);
        ExitCode::FAILURE
    });
    for fault in &faults {
        cli::warn(format_args!("error: {fault}"));
    }
    Ok(if faults.is_empty() { printed } else { ExitCode::FAILURE })
}

/// Follows the run to its end. A server that is away is waited for, for [`AWAY_AT_MOST`].
async fn follow(process: &Process, feed: &FeedPublisher, signals: &Signals, progress: &mut Progress) -> End {
    let mut away_since = None;
    loop {
        let looked = tokio::select! {
            () = signals.first() => return End::Interrupted,
            reason = process.runtime().failed() => return End::Failed(reason),
            reason = process.runtime().halted() => return End::Failed(reason),
            looked = look(process, feed, progress) => looked,
        };
        if let Some(error) = feed.error() {
            return End::Failed(error);
        }
        match looked {
            Ok(true) => return End::Done,
            Ok(false) => away_since = None,
            Err(error) => {
                let since = *away_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= AWAY_AT_MOST {
                    return End::Failed(format!("{error}; so it has been for {} s", AWAY_AT_MOST.as_secs()));
                }
                progress.wait_for(&error);
            }
        }
    }
}

/// Waits a little, then looks how far the run is; whether it is at its end.
async fn look(process: &Process, feed: &FeedPublisher, progress: &mut Progress) -> Result<bool, StoreError> {
    tokio::time::sleep(LOOK_EVERY).await;
    let runtime = process.runtime();
    // Asked before the lag: what is published after that is in no lag that counts.
    let published_all = feed.is_done();
    let lag = runtime.lag().await?;
    progress.show(feed.published(), &lag);
    Ok(published_all && runtime.has_settled_all(&lag) && runtime.is_idle().await?)
}
