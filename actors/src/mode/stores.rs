//! What a program on Kafka keeps elsewhere: ids that were seen, dead letters, or all that it settles.

use std::sync::Arc;

use pandaflow::{ports::DedupStore, settings::Settings};

use super::ModeError;
use crate::{broker::PrepareError, transport::kafka::KafkaConfig};

/// The transport's settings, with its stores opened and found to answer.
pub(super) async fn config(settings: &Settings) -> Result<KafkaConfig, ModeError> {
    match settings.database.url.postgres() {
        Some(url) => with_postgres(settings, url).await,
        None => by(settings, dedup(settings).await?),
    }
}

fn by(settings: &Settings, dedup: Arc<dyn DedupStore>) -> Result<KafkaConfig, ModeError> {
    Ok(KafkaConfig::by(settings, dedup).map_err(PrepareError::from)?)
}

/// With dead letters in the database, or with everything that is settled, ids included.
#[cfg(feature = "postgres")]
async fn with_postgres(settings: &Settings, url: &str) -> Result<KafkaConfig, ModeError> {
    use pandaflow::settings::SettleIn;
    let store = postgres(settings, url).await?;
    match settings.database.settlement {
        SettleIn::Broker => {
            let config = by(settings, dedup(settings).await?)?;
            Ok(KafkaConfig { dead_letters: Some(store.dead_letters()), ..config })
        }
        SettleIn::Database => {
            let prefix = settings.kafka.prefix.as_deref().unwrap_or_default();
            store.settle_for(prefix).await.map_err(ModeError::Postgres)?;
            let settlements = store.settlements();
            let config = by(settings, settlements.dedup())?;
            Ok(KafkaConfig { settle_in: Some(settlements), ..config })
        }
    }
}

/// The database with its tables.
#[cfg(feature = "postgres")]
async fn postgres(
    settings: &Settings,
    url: &str,
) -> Result<crate::transport::postgres::PostgresStore, ModeError> {
    use crate::transport::postgres::{PostgresConfig, PostgresStore};
    let config = PostgresConfig {
        connections: settings.database.pool_size,
        timeout: settings.database.timeout,
        ..PostgresConfig::new(url)
    };
    let store = PostgresStore::open(&config).map_err(ModeError::Postgres)?;
    store.migrate().await.map_err(ModeError::Postgres)?;
    Ok(store)
}

/// The dead letters in the database, wherever settlements are made.
#[cfg(feature = "postgres")]
pub(super) async fn dead_letters(
    settings: &Settings,
    url: &str,
) -> Result<Arc<dyn pandaflow::ports::DeadLetterStore>, ModeError> {
    Ok(postgres(settings, url).await?.dead_letters())
}

/// Without the feature there is nothing to open.
#[cfg(not(feature = "postgres"))]
pub(super) async fn dead_letters(
    _settings: &Settings,
    _url: &str,
) -> Result<Arc<dyn pandaflow::ports::DeadLetterStore>, ModeError> {
    Err(ModeError::NoPostgres)
}

/// Without the feature there is nothing to open.
#[cfg(not(feature = "postgres"))]
async fn with_postgres(_settings: &Settings, _url: &str) -> Result<KafkaConfig, ModeError> {
    Err(ModeError::NoPostgres)
}

/// Where ids that were seen are kept: on Redis, for all processes. It has to answer at start; later, unless the settings say to
/// wait for it, settlements go on without it.
#[cfg(feature = "redis")]
async fn dedup(settings: &Settings) -> Result<Arc<dyn DedupStore>, ModeError> {
    use crate::transport::{
        DeferredMarks,
        redis::{RedisConfig, RedisDedupStore},
    };
    use pandaflow::settings::WhenStoreIsDown;
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
#[cfg(not(feature = "redis"))]
async fn dedup(_settings: &Settings) -> Result<Arc<dyn DedupStore>, ModeError> {
    slog::warn!(
        crate::logging::logger(),
        "ids for dedup are kept in this process's memory: what another process or life has handled is not known; build with \
         --features redis"
    );
    Ok(crate::transport::memory::MemoryTransport::new(Arc::new(pandaflow::SystemClock)).dedup())
}
