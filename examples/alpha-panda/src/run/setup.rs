//! What every command on the pipeline's data begins with: settings, program, logging, and the transport.

use std::{future::Future, path::PathBuf, process::ExitCode, sync::Arc};

use pandaflow::{
    Group, Namespace,
    ports::{Lag, Transport},
    settings::Settings,
};
use pandaflow_actors::{
    Mode, Program, Signals, cli,
    logging::{self, Console, LogGuard},
    read_settings,
};

#[cfg(feature = "redis")]
use super::portfolio_cache;
use super::publish::source_name;
use crate::{
    arguments::{Place, data_by, loader},
    feed::{self, FileSummary},
    pipeline,
};

/// What a command is made of before anything is opened: all that a user could have got wrong, but for the data.
pub(super) struct Setup {
    pub(super) settings: Settings,
    pub(super) namespaces: Vec<Namespace>,
    pub(super) program: Program,
    pub(super) mode: Mode,
    data: PathBuf,
    _logging: LogGuard,
}

impl Setup {
    /// Reads the settings, checks the declarations and starts logging.
    pub(super) fn new(place: &Place) -> Result<Self, String> {
        let settings = read_settings(&loader()).map_err(|error| error.to_string())?;
        let mode = place.mode;
        if mode == Mode::Kafka && place.data.is_some() {
            return Err("--data goes with --mode embedded: on Kafka the brokers keep the data".into());
        }
        let namespaces = place.namespaces(&settings);
        let program = pipeline::program(&settings, &namespaces).map_err(|error| error.to_string())?;
        let program = mode.fit(program, &settings);
        let logging =
            logging::start(&settings, "alpha-panda", Console::stderr()).map_err(|error| error.to_string())?;
        let data = place.data.clone().unwrap_or_else(|| data_by(&settings));
        Ok(Self { settings, namespaces, program, mode, data, _logging: logging })
    }

    /// Opens the transport.
    pub(super) async fn open(self) -> Result<Opened, String> {
        let transport = self.mode.open(&self.data, &self.program, &self.settings).await;
        let transport = transport.map_err(|error| error.to_string())?;
        let transport = match self.mode {
            Mode::Embedded => transport,
            Mode::Kafka => self.with_cache(transport)?,
        };
        Ok(Opened { setup: self, transport })
    }

    /// With the accounts on Redis, for others to read.
    #[cfg(feature = "redis")]
    fn with_cache(&self, transport: Arc<dyn Transport>) -> Result<Arc<dyn Transport>, String> {
        let cached = portfolio_cache::with_cache(transport, &self.settings, &self.program);
        cached.map_err(|error| format!("REDIS__URL: {error}"))
    }

    /// Built without Redis, there is nobody to show the accounts to.
    #[cfg(not(feature = "redis"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    fn with_cache(&self, transport: Arc<dyn Transport>) -> Result<Arc<dyn Transport>, String> {
        Ok(transport)
    }

    /// The folder of the embedded mode.
    pub(super) fn data(&self) -> &PathBuf {
        &self.data
    }

    /// Where the data lies, for people.
    pub(super) fn whereabouts(&self) -> String {
        match self.mode {
            Mode::Embedded => self.data.display().to_string(),
            Mode::Kafka => format!("Kafka at {}", self.settings.kafka.brokers()),
        }
    }

    /// Under whose name the feed is published.
    pub(super) fn feed_group(&self) -> Group {
        match self.mode {
            Mode::Embedded => Group::from("alpha-panda.feed"),
            // There, rights are given by the prefix.
            Mode::Kafka => {
                Group::from(format!("{}.alpha-panda.feed", self.settings.kafka.group_id_prefix).as_str())
            }
        }
    }
}

/// A command whose transport is open.
pub(super) struct Opened {
    pub(super) setup: Setup,
    pub(super) transport: Arc<dyn Transport>,
}

impl Opened {
    /// How many ticks of each file are on the log, as the log has it.
    pub(super) async fn published(&self, files: &[FileSummary]) -> Result<Vec<u64>, String> {
        let lags: Vec<Lag> =
            self.transport.lag(vec![self.setup.feed_group()]).await.map_err(|error| error.to_string())?;
        let of = |file| {
            let name = source_name(file);
            lags.iter().filter(|lag| lag.topic == name).map(|lag| lag.next.0).sum()
        };
        Ok(files.iter().map(of).collect())
    }
}

/// Runs a command with signals listened for from its first moment on, so that one at any time ends it in order. What is
/// for the user to mend ends it with exit code 2.
pub(super) async fn with_signals(
    command: impl AsyncFnOnce(&Signals) -> Result<ExitCode, String>,
) -> ExitCode {
    match Signals::listen() {
        Ok(signals) => command(&signals).await.unwrap_or_else(cli::refuse),
        Err(error) => cli::refuse(error),
    }
}

/// What a command does before anything has begun that would have to end: a signal ends the program there and then, with
/// exit code 0. Neither a file that is being read nor a broker that doesn't answer can be interrupted otherwise.
pub(super) async fn unless_stopped<T>(signals: &Signals, preparing: impl Future<Output = T>) -> T {
    tokio::select! {
        prepared = preparing => prepared,
        () = signals.first() => {
            cli::warn("stopped before anything was begun");
            std::process::exit(0);
        }
    }
}

/// Reads every file to its end. On a thread of its own, so that signals are heard meanwhile.
pub(super) async fn check(paths: Vec<PathBuf>) -> Result<Vec<FileSummary>, String> {
    let checked = tokio::task::spawn_blocking(move || feed::check(&paths)).await;
    checked.map_err(|panicked| panicked.to_string())?.map_err(|error| error.to_string())
}
