//! `run`: the feed goes through the pipeline to its end; then, or when a signal comes, the report is printed.

mod progress;
mod publish;
mod report;

use std::{net::TcpListener, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use pandaflow::{Namespace, ports::Transport, settings::Settings};
use pandaflow_actors::{
    Process, Program, Signals, cli,
    logging::{self, Console, LogGuard},
    read_settings,
    transport::embedded::{EmbeddedConfig, EmbeddedTransport},
};
use tokio::time::Instant;

use self::{progress::Progress, publish::FeedPublisher, report::Report};
use crate::{
    arguments::{RunOptions, data_by, loader},
    feed::{self, FileSummary},
    pipeline,
};

/// How often the run looks how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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

/// What a run is made of, once everything that a user could have got wrong has been checked.
struct Prepared {
    settings: Settings,
    namespaces: Vec<Namespace>,
    program: Program,
    files: Vec<FileSummary>,
    data: PathBuf,
    transport: Arc<dyn Transport>,
    _logging: LogGuard,
}

/// Runs, and gives the exit code: 0 if the feed was read to its end, everything settled and every ledger balances,
/// or if a signal came and everything drained in time; 1 if not; 2 if there is something for the user to mend.
pub async fn run(options: RunOptions) -> ExitCode {
    // From the first moment on, so that a signal at any time drains.
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return cli::refuse(error),
    };
    let prepared = match prepare(&options) {
        Ok(prepared) => prepared,
        Err(message) => return cli::refuse(message),
    };
    match go(&options, &prepared, &signals).await {
        Ok(code) => code,
        Err(message) => cli::refuse(message),
    }
}

fn prepare(options: &RunOptions) -> Result<Prepared, String> {
    let settings = read_settings(&loader()).map_err(|error| error.to_string())?;
    let namespaces = options.namespaces(&settings);
    let program = pipeline::program(&settings, &namespaces).map_err(|error| error.to_string())?;
    let files = feed::check(&options.feeds()).map_err(|error| error.to_string())?;
    let logging =
        logging::start(&settings, "alpha-panda", Console::stderr()).map_err(|error| error.to_string())?;
    let data = options.data.clone().unwrap_or_else(|| data_by(&settings));
    if options.fresh {
        // What could still refuse the run comes before anything is deleted.
        let bind = settings.api.bind;
        drop(TcpListener::bind(bind).map_err(|error| format!("API__BIND={bind}: {error}"))?);
        EmbeddedTransport::remove(&data).map_err(|error| error.to_string())?;
    }
    let config = EmbeddedConfig::by(&settings);
    let transport = Arc::new(EmbeddedTransport::open(&data, config).map_err(|error| error.to_string())?);
    Ok(Prepared { settings, namespaces, program, files, data, transport, _logging: logging })
}

async fn go(options: &RunOptions, prepared: &Prepared, signals: &Signals) -> Result<ExitCode, String> {
    let began = Instant::now();
    let transport = &prepared.transport;
    let process = Process::start(&prepared.program, &prepared.settings, transport.clone(), logging::logger())
        .await
        .map_err(|error| error.to_string())?;
    slog::info!(logging::logger(), "serving health and metrics"; "address" => %process.http().addr());
    let mut progress = Progress::new(prepared.files.iter().map(|file| file.lines).sum());
    let mut faults = Vec::new();
    let (feed, end) = match FeedPublisher::start(&**transport, &prepared.files).await {
        Ok(feed) => {
            let end = follow(&process, &feed, signals, &mut progress).await;
            feed.stop().await;
            (Some(feed), end)
        }
        Err(error) => (None, End::Failed(error.to_string())),
    };
    if let End::Failed(reason) = &end {
        faults.push(reason.clone());
    }
    if !process.drain().await {
        faults.push("not everything ended within RUNTIME__SHUTDOWN_DEADLINE".to_owned());
    }
    progress.finish();
    let report = match &feed {
        Some(feed) => Report::read(prepared, feed, began.elapsed()).await.map_err(|error| error.to_string()),
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

/// Follows the run to its end.
async fn follow(process: &Process, feed: &FeedPublisher, signals: &Signals, progress: &mut Progress) -> End {
    let runtime = process.runtime();
    loop {
        tokio::select! {
            () = signals.first() => return End::Interrupted,
            reason = runtime.failed() => return End::Failed(reason),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if let Some(error) = feed.error() {
            return End::Failed(error);
        }
        // Asked before the lag: what is published after that is in no lag that counts.
        let published_all = feed.is_done();
        match runtime.lag().await {
            Ok(lag) => {
                progress.show(feed.published(), &lag);
                if published_all && lag.iter().all(|lag| lag.records() == 0) {
                    return End::Done;
                }
            }
            Err(error) => return End::Failed(error.to_string()),
        }
    }
}
