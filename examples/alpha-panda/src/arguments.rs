//! What the command line of the program takes.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use pandaflow::{
    Namespace,
    settings::{self, Loader, Settings},
};
use pandaflow_actors::{
    EnvironmentError, Mode, Program,
    cli::{self, ConfigCommand, DeadLettersArguments, TopicsCommand},
    read_settings,
};

use crate::pipeline::{self, NAMESPACES, RulesError};

/// Where the data lies unless something else is said.
const DATA_FOLDER: &str = "alpha-panda-data";

/// The feeds that the project ships, in the order that they are merged in.
const SHIPPED_FEEDS: [&str; 6] = [
    "us-spy-20131007-trades.zip",
    "us-bac-20131007-trades.zip",
    "us-aig-20131007-trades.zip",
    "us-ibm-20131007-trades.zip",
    "nse-yesbank-20190709-minute.zip",
    "nse-yesbank-20190710-minute.zip",
];

/// The whole trading pipeline on recorded trades: feed → strategies → risk → execution → portfolio.
#[derive(Debug, Parser)]
#[command(name = "alpha-panda", version, disable_help_subcommand = true)]
pub struct Arguments {
    /// What to do; `run` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the feed through the pipeline to its end, and report; this is the default
    Run(RunOptions),
    /// Run the pipeline until a signal comes; on Kafka, each process that is started takes its share
    Serve(ServeOptions),
    /// Publish the feed alone, each event once over any number of restarts
    Feed(FeedOptions),
    /// Tell how things stand, with the fields of `run --json`
    Report(ReportOptions),
    /// Print the topics of the pipeline; with `plan`, `apply` and `check`, those on the broker
    Topics {
        /// What to do with those on the broker.
        #[command(subcommand)]
        command: Option<TopicsCommand>,
    },
    /// List and show events that were given up on
    DeadLetters(DeadLettersArguments),
    /// Check and print the settings
    Config {
        /// What to do with them.
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

/// Where the pipeline's events lie, and in which namespaces it runs.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Place {
    /// What carries the events: embedded (a file in the data folder) or kafka (the brokers of the settings of KAFKA)
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub mode: Mode,
    /// The folder that the data of the embedded mode lies in; the default is DATABASE__URL's, or alpha-panda-data
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A namespace to run in: paper or zerodha; may be given several times. The default is ACTIVE_BROKERS
    #[arg(long = "namespace", value_name = "NAMESPACE", value_parser = namespace)]
    pub namespaces: Vec<Namespace>,
}

/// The files to read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FeedFiles {
    /// A recorded feed; may be given several times. The default is the feeds that the project ships
    #[arg(long = "feed", value_name = "FILE.zip")]
    pub feeds: Vec<PathBuf>,
}

/// Options of `run`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunOptions {
    /// Which files.
    #[command(flatten)]
    pub files: FeedFiles,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Delete the data of earlier runs first; of the embedded mode alone
    #[arg(long)]
    pub fresh: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `serve`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServeOptions {
    /// Where.
    #[command(flatten)]
    pub place: Place,
}

/// Options of `feed`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FeedOptions {
    /// Which files.
    #[command(flatten)]
    pub files: FeedFiles,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// So many events a second on average; the default is as fast as the log takes them
    #[arg(long, value_name = "EVENTS")]
    pub rate: Option<NonZeroU32>,
}

/// Options of `report`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ReportOptions {
    /// Which files; of those that the project ships, only the ones that have been published are told.
    #[command(flatten)]
    pub files: FeedFiles,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Default for Command {
    fn default() -> Self {
        Self::Run(RunOptions::default())
    }
}

impl FeedFiles {
    /// The feeds to read.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        if self.feeds.is_empty() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("market-data");
            SHIPPED_FEEDS.iter().map(|file| folder.join(file)).collect()
        } else {
            self.feeds.clone()
        }
    }
}

impl Place {
    /// The namespaces to run in, each once.
    #[must_use]
    pub fn namespaces(&self, settings: &Settings) -> Vec<Namespace> {
        let mut namespaces = if self.namespaces.is_empty() {
            settings.root.active_brokers.clone()
        } else {
            self.namespaces.clone()
        };
        namespaces.sort();
        namespaces.dedup();
        namespaces
    }
}

/// The settings that the program knows.
#[must_use]
pub fn loader() -> Loader {
    Loader::new()
        .section::<settings::PaperTrading>()
        .section::<settings::Zerodha>()
        .brokers(NAMESPACES)
        .processor::<pipeline::StrategyRunner>()
        .processor::<pipeline::RiskManager>()
        .processor::<pipeline::Execution>()
        .processor::<pipeline::Portfolio>()
}

/// Where the data lies by the settings.
#[must_use]
pub fn data_by(settings: &Settings) -> PathBuf {
    pandaflow_actors::data_folder(settings, Path::new(DATA_FOLDER))
}

/// Why the topics can't be told.
#[derive(Debug, thiserror::Error)]
enum TopicsError {
    /// The settings are wrong.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// No rules can be made of them.
    #[error(transparent)]
    Rules(#[from] RulesError),
}

/// Prints the topics of the pipeline as a table, or does with those on the broker what was said.
pub async fn topics(command: Option<TopicsCommand>) -> ExitCode {
    let (program, settings) = match declared() {
        Ok(declared) => declared,
        Err(error) => return cli::refuse(error),
    };
    match command {
        None => cli::answer(cli::topics(&program)),
        Some(command) => command.run(&program, &settings).await,
    }
}

fn declared() -> Result<(Program, Settings), TopicsError> {
    let settings = read_settings(&loader())?;
    let namespaces = Place::default().namespaces(&settings);
    let program = Mode::Kafka.fit(pipeline::program(&settings, &namespaces)?, &settings);
    Ok((program, settings))
}

fn namespace(name: &str) -> Result<Namespace, String> {
    if NAMESPACES.contains(&name) {
        name.parse().map_err(|error: pandaflow::NamespaceError| error.to_string())
    } else {
        Err(format!("there is no namespace {name:?}; write paper or zerodha"))
    }
}
