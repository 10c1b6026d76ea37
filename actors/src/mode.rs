//! Where a program's events lie: in a file of its own, or on Kafka. The program is the same.

use std::{path::Path, sync::Arc};

use clap::ValueEnum;
#[cfg(feature = "kafka")]
use pandaflow::ports::{DedupStore, StoreError};
#[cfg(all(feature = "kafka", feature = "redis"))]
use pandaflow::settings::WhenStoreIsDown;
use pandaflow::{ports::Transport, settings::Settings};

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
            Self::Embedded => Ok(Arc::new(EmbeddedTransport::open(data, EmbeddedConfig::by(settings))?)),
            Self::Kafka => open_kafka(program, settings).await,
        }
    }
}

#[cfg(feature = "kafka")]
async fn open_kafka(program: &Program, settings: &Settings) -> Result<Arc<dyn Transport>, ModeError> {
    use crate::{
        broker::{Broker, PrepareError},
        transport::kafka::{KafkaConfig, KafkaTransport},
    };
    let broker = Broker::connect(settings).await.map_err(PrepareError::from)?;
    for change in broker.prepare(program, settings).await? {
        slog::warn!(crate::logging::logger(), "a topic is not as declared"; "topic" => change);
    }
    let config = KafkaConfig::by(settings, dedup(settings).await?).map_err(PrepareError::from)?;
    Ok(Arc::new(KafkaTransport::new(config)?))
}

/// Where ids that were seen are kept: on Redis, for all processes. It has to answer at start; later, unless the settings say to
/// wait for it, settlements go on without it.
#[cfg(all(feature = "kafka", feature = "redis"))]
async fn dedup(settings: &Settings) -> Result<Arc<dyn DedupStore>, ModeError> {
    use crate::transport::{
        DeferredMarks,
        redis::{RedisConfig, RedisDedupStore},
    };
    let mut config = RedisConfig::from(&settings.redis);
    let prefix = settings.kafka.prefix.as_deref().unwrap_or_default();
    config.key_prefix.insert_str(0, prefix);
    let store = RedisDedupStore::open(&config).map_err(ModeError::Redis)?;
    store.check().await.map_err(ModeError::Redis)?;
    let store: Arc<dyn DedupStore> = Arc::new(store);
    match settings.dedup.when_store_is_down {
        WhenStoreIsDown::Pause => Ok(store),
        WhenStoreIsDown::Bypass | WhenStoreIsDown::Local => {
            Ok(Arc::new(DeferredMarks::over(store, settings.dedup.local_capacity)?))
        }
    }
}

/// Where ids that were seen are kept: in this process's memory alone, which is too little where several share the work.
#[cfg(all(feature = "kafka", not(feature = "redis")))]
async fn dedup(_settings: &Settings) -> Result<Arc<dyn DedupStore>, ModeError> {
    slog::warn!(
        crate::logging::logger(),
        "ids for dedup are kept in this process's memory: what another process or life has handled is not known; build with \
         --features redis"
    );
    Ok(crate::transport::memory::MemoryTransport::new(Arc::new(pandaflow::SystemClock)).dedup())
}

/// Without the feature there is nothing to open.
#[cfg(not(feature = "kafka"))]
async fn open_kafka(_program: &Program, _settings: &Settings) -> Result<Arc<dyn Transport>, ModeError> {
    Err(ModeError::NotBuiltIn)
}
