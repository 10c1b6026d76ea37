//! Where a program's events lie: in a file of its own, or on Kafka. The program is the same.

use std::{path::Path, sync::Arc};

use clap::ValueEnum;
#[cfg(feature = "kafka")]
use pandaflow::ports::StoreError;
use pandaflow::{ports::Transport, settings::Settings};

mod kept_letters;
#[cfg(feature = "kafka")]
mod stores;

pub(crate) use self::kept_letters::KeptLetters;

use crate::{
    Program,
    transport::embedded::{EmbeddedConfig, EmbeddedTransport, OpenError},
};

/// What carries a program's events, state and dead letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// One file, one process, no server
    #[default]
    Embedded,
    /// Apache Kafka, in as many processes as are started; needs the feature `kafka`
    Kafka,
}

/// Why a transport can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModeError {
    /// The data folder can't be used.
    #[error(transparent)]
    Embedded(#[from] OpenError),
    /// The settings name a server, where a file is needed.
    #[error(
        "DATABASE__URL names PostgreSQL, and --mode embedded keeps its data in a file: write sqlite: and its path, or run with \
         --mode kafka"
    )]
    NoFile,
    /// The thread that opens the data has ended before it was done.
    #[error("the data could not be opened: its thread has ended")]
    Ended,
    /// This program can't speak to Kafka.
    #[error("--mode kafka: {NO_KAFKA}", NO_KAFKA = crate::cli::NO_KAFKA)]
    NotBuiltIn,
    /// The brokers can't be used as they are.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] crate::broker::PrepareError),
    /// The dedup store can't be reached.
    #[cfg(all(feature = "kafka", feature = "redis"))]
    #[error("REDIS__URL: {0}")]
    Redis(StoreError),
    /// The database can't be reached, or used as it is.
    #[cfg(all(feature = "kafka", feature = "postgres"))]
    #[error("DATABASE__URL: {0}")]
    Postgres(StoreError),
    /// This program can't speak to PostgreSQL.
    #[cfg(all(feature = "kafka", not(feature = "postgres")))]
    #[error(
        "DATABASE__URL names PostgreSQL, which this program was built without: build it with --features postgres"
    )]
    NoPostgres,
    /// The clients can't be made.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Mode {
    /// The program as it runs in this mode: on Kafka its groups are called as KAFKA__GROUP_ID_PREFIX says.
    #[must_use]
    pub fn fit(self, program: Program, settings: &Settings) -> Program {
        match self {
            Self::Embedded => program,
            Self::Kafka => program.group_prefix(settings.kafka.group_id_prefix.as_str()),
        }
    }

    /// Opens the transport: the file in `data`, or the brokers of the settings. On Kafka the topics are checked first, and
    /// those that are missing are made if KAFKA__CREATE_TOPICS says so.
    ///
    /// # Errors
    /// [`ModeError`], with everything that is wrong.
    pub async fn open(
        self,
        data: &Path,
        program: &Program,
        settings: &Settings,
    ) -> Result<Arc<dyn Transport>, ModeError> {
        match self {
            Self::Embedded if settings.database.url.postgres().is_some() => Err(ModeError::NoFile),
            Self::Embedded => Ok(Arc::new(EmbeddedTransport::open(data, EmbeddedConfig::by(settings))?)),
            Self::Kafka => open_kafka(program, settings).await,
        }
    }
}

#[cfg(feature = "kafka")]
async fn open_kafka(program: &Program, settings: &Settings) -> Result<Arc<dyn Transport>, ModeError> {
    use crate::{
        broker::{Broker, PrepareError},
        transport::kafka::KafkaTransport,
    };
    let broker = Broker::connect(settings).await.map_err(PrepareError::from)?;
    for change in broker.prepare(program, settings).await? {
        slog::warn!(crate::logging::logger(), "a topic is not as declared"; "topic" => change);
    }
    Ok(Arc::new(KafkaTransport::new(stores::config(settings).await?)?))
}

/// Without the feature there is nothing to open.
#[cfg(not(feature = "kafka"))]
async fn open_kafka(_program: &Program, _settings: &Settings) -> Result<Arc<dyn Transport>, ModeError> {
    Err(ModeError::NotBuiltIn)
}
