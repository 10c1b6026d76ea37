//! Where a program on Kafka keeps its dead letters by its settings, opened to look at them alone: beside the program, or when
//! nobody runs it.

use std::sync::Arc;

#[cfg(feature = "kafka")]
use pandaflow::{SystemClock, ports::Transport};
use pandaflow::{ports::DeadLetterStore, settings::Settings};

use super::ModeError;

/// Dead letters on Kafka or in PostgreSQL.
pub(crate) struct KeptLetters {
    store: Arc<dyn DeadLetterStore>,
    /// Whose topics they are, if they lie on Kafka.
    #[cfg(feature = "kafka")]
    transport: Option<crate::transport::kafka::KafkaTransport>,
}

impl KeptLetters {
    /// Reaches them. Ids are not asked for, so Redis need not answer; nor need a broker if they lie in PostgreSQL.
    #[cfg(feature = "kafka")]
    pub(crate) async fn open(settings: &Settings) -> Result<Self, ModeError> {
        use crate::{
            broker::{Broker, PrepareError},
            transport::{
                kafka::{KafkaConfig, KafkaTransport},
                memory::MemoryTransport,
            },
        };
        if let Some(url) = settings.database.url.postgres() {
            return Ok(Self { store: super::stores::dead_letters(settings, url).await?, transport: None });
        }
        // For its one clear error when there is none to be reached.
        Broker::connect(settings).await.map_err(PrepareError::from)?;
        let ids = MemoryTransport::new(Arc::new(SystemClock)).dedup();
        let config = KafkaConfig::by(settings, ids).map_err(PrepareError::from)?;
        let transport = KafkaTransport::new(config)?;
        Ok(Self { store: transport.dead_letters(), transport: Some(transport) })
    }

    /// Without the feature there is nothing to open.
    #[cfg(not(feature = "kafka"))]
    pub(crate) async fn open(_settings: &Settings) -> Result<Self, ModeError> {
        Err(ModeError::NotBuiltIn)
    }

    pub(crate) fn store(&self) -> &dyn DeadLetterStore {
        &*self.store
    }

    /// Lets go of the servers.
    pub(crate) async fn close(self) {
        #[cfg(feature = "kafka")]
        if let Some(transport) = &self.transport {
            transport.close().await;
        }
    }
}
