//! `run`: the feed goes through the pipeline to its end; then, or when a signal comes, the report is printed.

mod progress;
mod publish;
mod report;

use std::{fmt::Display, net::TcpListener, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

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

/// How often in a row it may be impossible to say how far the run is: a store may be busy, the events go on.
const LOOKS_FAILED_AT_MOST: u32 = 50;

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
    let prepared = match prepare(&options).await {
        Ok(prepared) => prepared,
        Err(message) => return cli::refuse(message),
    };
    match go(&options, &prepared, &signals).await {
        Ok(code) => code,
        Err(message) => cli::refuse(message),
    }
}

async fn prepare(options: &RunOptions) -> Result<Prepared, String> {
    let settings = read_settings(&loader()).map_err(|error| error.to_string())?;
    let namespaces = options.namespaces(&settings);
    let program = pipeline::program(&settings, &namespaces).map_err(|error| error.to_string())?;
    let feeds = options.feeds();
    // On a thread of its own, so that a second signal is heard meanwhile.
    let files = aside(move || feed::check(&feeds)).await?;
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
    let folder = data.clone();
    let transport = Arc::new(aside(move || EmbeddedTransport::open(folder, config)).await?);
    Ok(Prepared { settings, namespaces, program, files, data, transport, _logging: logging })
}

/// Does what takes long and can't be waited for, on another thread.
async fn aside<T: Send + 'static, E: Display + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panicked| panicked.to_string())?.map_err(|error| error.to_string())
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
    let mut looks_failed = 0;
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
                if published_all && runtime.has_settled_all(&lag) {
                    return End::Done;
                }
                looks_failed = 0;
            }
            Err(error) if looks_failed == LOOKS_FAILED_AT_MOST => return End::Failed(error.to_string()),
            Err(_) => looks_failed += 1,
        }
    }
}
