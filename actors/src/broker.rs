//! The brokers: reached with clear errors, their topics looked at, checked and changed.
//!
//! All calls end within KAFKA__TIMEOUT, and what went wrong names the setting that mends it.

mod access;
mod apply;
mod config;
mod describe;
mod error;
mod listener;
mod prepare;
mod reach;

use std::{sync::Arc, time::Duration};

use pandaflow::{
    Group, TopicName,
    policy::topic_plan::{FoundTopic, Purpose, TopicPlan, WantedTopic},
    settings::{Settings, SettleIn},
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::BaseConsumer,
};

pub(crate) use self::config::client_properties;
use self::listener::Listener;
pub use self::{
    config::{admin_config, consumer_config, producer_config},
    error::BrokerError,
    prepare::{PrepareError, TopicCheck},
};
use crate::{PlanError, Program, changelog_of, transport::settlement_database::outbox_group};

/// The brokers that the settings name, reached and answering.
pub struct Broker {
    servers: String,
    /// Before the names of all topics and groups.
    prefix: String,
    timeout: Duration,
    replication: i32,
    /// Where it is noted what was published, where settlements put their outputs into a database's outbox.
    outbox: Option<Group>,
    config: ClientConfig,
    consumer: Arc<BaseConsumer<Listener>>,
    admin: AdminClient<DefaultClientContext>,
}

impl Broker {
    /// Reaches a broker: within KAFKA__TIMEOUT it has answered, or it is said why not.
    ///
    /// # Errors
    /// [`BrokerError`], which names the setting to look at.
    pub async fn connect(settings: &Settings) -> Result<Self, BrokerError> {
        let mut config = admin_config(settings)?;
        // Why a connection failed stands in the client's log lines alone; without a logger it would write none.
        config.set_log_level(RDKafkaLogLevel::Warning);
        let made = |error| BrokerError::client(&error);
        let consumer: BaseConsumer<Listener> =
            config.create_with_context(Listener::default()).map_err(made)?;
        let admin = config.create().map_err(made)?;
        let broker = Self {
            servers: settings.kafka.brokers(),
            prefix: settings.kafka.prefix.clone().unwrap_or_default(),
            timeout: settings.kafka.timeout,
            replication: settings.kafka.replication_factor.map_or(-1, i32::from),
            outbox: (settings.database.settlement == SettleIn::Database)
                .then(|| outbox_group(&settings.kafka.group_id_prefix)),
            config,
            consumer: Arc::new(consumer),
            admin,
        };
        broker.metadata().await?;
        Ok(broker)
    }

    /// The topics that a program needs, as they are called here: with KAFKA__PREFIX before their names. Among them, with
    /// DATABASE__SETTLEMENT=database, the one beside which it is noted what was published.
    ///
    /// # Errors
    /// The declarations don't fit together.
    pub fn wanted(&self, program: &Program) -> Result<Vec<WantedTopic>, PlanError> {
        let named = |topic: WantedTopic| WantedTopic { name: self.called(&topic.name), ..topic };
        let outbox = self.outbox.as_ref().map(|group| WantedTopic {
            name: changelog_of(group),
            purpose: Purpose::Changelog,
            partitions: 1,
            retention: None,
        });
        let mut wanted: Vec<_> = program.wanted_topics()?.into_iter().chain(outbox).map(named).collect();
        wanted.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(wanted)
    }

    /// The name of a topic or a group on the broker.
    fn called(&self, name: &str) -> TopicName {
        TopicName::new(&format!("{}{name}", self.prefix))
    }

    /// The topics of that name that are there, as they are.
    ///
    /// # Errors
    /// The broker did not answer, or does not tell.
    pub async fn topics(&self, wanted: &[WantedTopic]) -> Result<Vec<FoundTopic>, BrokerError> {
        let metadata = self.metadata().await?;
        describe::topics(self, &metadata, wanted).await
    }

    /// What has to change so that the topics are as wanted.
    ///
    /// # Errors
    /// As [`Broker::topics`].
    pub async fn plan(&self, wanted: &[WantedTopic]) -> Result<TopicPlan, BrokerError> {
        Ok(TopicPlan::new(wanted, &self.topics(wanted).await?))
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    fn refused(&self, what: &str, code: rdkafka::types::RDKafkaErrorCode) -> BrokerError {
        BrokerError::refused(&self.servers, what, code)
    }
}
