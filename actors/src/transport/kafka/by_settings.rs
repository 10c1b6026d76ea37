//! The Kafka transport as the settings want it.

use std::{sync::Arc, time::Duration};

use pandaflow::{ports::DedupStore, settings::Settings};

use super::{CheckpointConfig, GroupProtocol, KafkaConfig};
use crate::{
    broker::{BrokerError, client_properties},
    environment::checkpoint_folder,
};

impl KafkaConfig {
    /// What the KAFKA settings say, with ids kept in this store; the rest by default.
    ///
    /// # Errors
    /// The program was built without what the settings need, or librdkafka does not take a property's value.
    pub fn by(settings: &Settings, dedup: Arc<dyn DedupStore>) -> Result<Self, BrokerError> {
        let kafka = &settings.kafka;
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let config = Self::new(&kafka.brokers(), dedup);
        Ok(Self {
            prefix: kafka.prefix.clone().unwrap_or_default(),
            group_prefix: kafka.group_id_prefix.clone(),
            client_id: kafka.client_id.clone(),
            protocol: match kafka.group_protocol {
                pandaflow::settings::GroupProtocol::Classic => GroupProtocol::Classic,
                pandaflow::settings::GroupProtocol::Consumer => GroupProtocol::Consumer,
            },
            instance_id: kafka.instance_id.clone(),
            session: kafka.session().unwrap_or(config.session),
            max_poll_interval: kafka.max_poll_interval,
            // A drain has to end before the broker takes the partitions away by itself.
            drain: config.drain.min(kafka.max_poll_interval / 2).max(Duration::from_millis(1)),
            request_timeout: kafka.timeout,
            partition_buffer: kafka.fetch_ahead.bytes(),
            linger: kafka.linger,
            compression: kafka.compression.as_str(),
            guarantee: kafka.guarantee,
            commit_interval: kafka.commit_interval,
            transaction_timeout: kafka.transaction_timeout,
            checkpoints: checkpoints(settings)?,
            replication: kafka.replication_factor.map_or(-1, i32::from),
            // How the brokers are reached, and what all clients take.
            properties: client_properties(settings)?,
            consumer_properties: settings.kafka_properties.of_consumers().map(owned).collect(),
            producer_properties: settings.kafka_properties.of_producers().map(owned).collect(),
            ..config
        })
    }
}

/// Where checkpoints are kept, which has to be a folder that can be written.
fn checkpoints(settings: &Settings) -> Result<Option<CheckpointConfig>, BrokerError> {
    let folder = checkpoint_folder(settings).map_err(|error| {
        let (setting, what) = (error.setting, error.what);
        BrokerError::Reach { setting, what }
    })?;
    let interval = settings.kafka.checkpoint_interval;
    Ok(folder.map(|folder| CheckpointConfig { interval, ..CheckpointConfig::new(folder) }))
}

#[cfg(test)]
mod tests {
    use pandaflow::{SystemClock, ports::Transport};

    use super::*;
    use crate::transport::memory::MemoryTransport;

    #[test]
    fn a_drain_must_end_before_the_group_goes_on_without_its_member() {
        let dedup = MemoryTransport::new(Arc::new(SystemClock)).dedup();
        let config = KafkaConfig::new("a:1", dedup);
        assert!(config.check().is_ok());
        let short = KafkaConfig { max_poll_interval: Duration::from_secs(40), ..config.clone() };
        assert!(short.check().is_err(), "the drain takes 45 s");
        let mut passed = short;
        passed.properties.insert("max.poll.interval.ms".into(), "60000".into());
        assert!(passed.check().is_ok(), "a property goes over the field");
    }

    #[test]
    fn the_limit_of_a_record_is_the_lower_one_and_letters_have_more_room() {
        let dedup = MemoryTransport::new(Arc::new(SystemClock)).dedup();
        let mut config = KafkaConfig::new("a:1", dedup);
        assert_eq!(config.record_limit(), 16 << 20);
        assert!(config.letter_limit() > 2 * config.record_limit());
        config.properties.insert("message.max.bytes".into(), "5000".into());
        assert_eq!((config.record_limit(), config.letter_limit()), (5000, 5000));
    }

    #[test]
    fn the_settings_reach_the_clients_that_they_are_for() {
        let folder = tempfile::tempdir().unwrap();
        let variables = [
            ("KAFKA__BOOTSTRAP_SERVERS", "a:1"),
            ("KAFKA__SESSION_TIMEOUT", "12s"),
            ("KAFKA__HEARTBEAT_INTERVAL", "2s"),
            ("KAFKA__MAX_POLL_INTERVAL", "40s"),
            ("KAFKA__LINGER", "1ms"),
            ("KAFKA__COMPRESSION", "zstd"),
            ("KAFKA__SECURITY_PROTOCOL", "sasl_plaintext"),
            ("KAFKA__SASL_MECHANISM", "PLAIN"),
            ("KAFKA__SASL_USERNAME", "panda"),
            ("KAFKA__SASL_PASSWORD", "bamboo"),
            ("KAFKA__PROPERTY__FETCH_MIN_BYTES", "7"),
            ("KAFKA__PROPERTY__BATCH_SIZE", "77"),
            ("KAFKA__PROPERTY__DELIVERY_TIMEOUT_MS", "60000"),
            ("KAFKA__GUARANTEE", "exactly-once"),
            ("KAFKA__COMMIT_INTERVAL", "20ms"),
            ("KAFKA__TRANSACTION_TIMEOUT", "7s"),
            ("KAFKA__CHECKPOINT_DIR", folder.path().to_str().unwrap()),
            ("KAFKA__CHECKPOINT_INTERVAL", "5s"),
        ];
        let settings = Settings::load(variables, "").unwrap();
        let dedup = MemoryTransport::new(Arc::new(SystemClock)).dedup();
        let config = KafkaConfig::by(&settings, dedup).unwrap();
        assert_eq!(config.properties["sasl.password"], "bamboo");
        let member = config.member("g", 2);
        for (name, value) in [
            ("bootstrap.servers", "a:1"),
            ("session.timeout.ms", "12000"),
            ("heartbeat.interval.ms", "2000"),
            ("max.poll.interval.ms", "40000"),
            ("fetch.min.bytes", "7"),
            ("enable.auto.commit", "false"),
            ("group.id", "g"),
        ] {
            assert_eq!(member.get(name), Some(value), "{name}");
        }
        assert_eq!(member.get("batch.size"), None);
        let producer = config.producer();
        for (name, value) in
            [("linger.ms", "1"), ("compression.type", "zstd"), ("batch.size", "77"), ("acks", "all")]
        {
            assert_eq!(producer.get(name), Some(value), "{name}");
        }
        assert_eq!(producer.get("fetch.min.bytes"), None);
        assert_eq!(producer.get("transactional.id"), None);
        assert_eq!(config.drain, Duration::from_secs(20));
        assert_eq!(config.guarantee, pandaflow::Guarantee::ExactlyOnce);
        assert_eq!(config.commit_interval, Duration::from_millis(20));
        let checkpoints =
            CheckpointConfig { interval: Duration::from_secs(5), ..CheckpointConfig::new(folder.path()) };
        assert_eq!(config.checkpoints, Some(checkpoints));
        let transactional = config.transactional("me");
        for (name, value) in [
            ("transactional.id", "me"),
            ("transaction.timeout.ms", "7000"),
            ("delivery.timeout.ms", "7000"),
            ("compression.type", "zstd"),
        ] {
            assert_eq!(transactional.get(name), Some(value), "{name}");
        }
    }
}
