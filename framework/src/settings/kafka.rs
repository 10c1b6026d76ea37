//! KAFKA: where the brokers are, how they are reached, and what consumers and producers are told.
//!
//! Every other property of librdkafka is passed through as `KAFKA__PROPERTY__` and its name, dots written as
//! underscores: `KAFKA__PROPERTY__FETCH_MIN_BYTES=1024`. See [`KafkaProperties`].

mod address;
mod checks;
mod names;
mod properties;

use std::{path::PathBuf, time::Duration};

pub use self::{
    address::BrokerAddress,
    properties::{KafkaProperties, PropertyScope},
};
use super::{byte_size::ByteSize, secret::Secret};
use crate::Guarantee;

crate::choice! {
    /// How a connection to a broker is secured.
    pub enum SecurityProtocol {
        /// Not at all.
        Plaintext = "plaintext",
        /// By TLS. Needs the feature `kafka-tls`.
        Ssl = "ssl",
        /// Clients say who they are; nothing is encrypted.
        SaslPlaintext = "sasl_plaintext",
        /// Clients say who they are, over TLS. Needs the feature `kafka-tls`.
        SaslSsl = "sasl_ssl",
    }
}

impl SecurityProtocol {
    /// Whether connections are encrypted.
    #[must_use]
    pub const fn uses_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Whether clients say who they are by name and password.
    #[must_use]
    pub const fn uses_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

crate::choice! {
    /// How a client proves who it is.
    pub enum SaslMechanism {
        /// Name and password as they are: use it over TLS.
        Plain = "PLAIN",
        /// Without sending the password. Needs the feature `kafka-tls`.
        ScramSha256 = "SCRAM-SHA-256",
        /// Without sending the password. Needs the feature `kafka-tls`.
        ScramSha512 = "SCRAM-SHA-512",
    }
}

crate::choice! {
    /// How the members of a consumer group share out its partitions.
    pub enum GroupProtocol {
        /// The members agree among themselves: any broker.
        Classic = "classic",
        /// The broker decides (KIP-848): Kafka 4.0 and later.
        Consumer = "consumer",
    }
}

crate::choice! {
    /// How producers pack batches.
    pub enum Compression {
        /// Not at all.
        None = "none",
        /// gzip.
        Gzip = "gzip",
        /// Snappy.
        Snappy = "snappy",
        /// LZ4.
        Lz4 = "lz4",
        /// Zstandard.
        Zstd = "zstd",
    }
}

crate::section! {
    /// Where the brokers are, how they are reached, and what consumers and producers are told.
    pub struct Kafka("KAFKA", check = checks::fit) {
        /// Brokers that a client asks first; the others are learnt from them.
        pub bootstrap_servers: Vec<BrokerAddress> = "localhost:9092",
        /// How the program calls itself in the brokers' logs and quotas.
        pub client_id: String = "pandaflow",
        /// What stands on the broker before the names of all topics and groups, so that several deployments can share one.
        pub prefix: Option<String> = "",
        /// What the names of all consumer groups begin with.
        pub group_id_prefix: String = "pandaflow",
        /// How connections are secured.
        pub security_protocol: SecurityProtocol = "plaintext",
        /// How the program proves who it is, with `sasl_plaintext` and `sasl_ssl`.
        pub sasl_mechanism: Option<SaslMechanism> = "",
        /// Its name.
        pub sasl_username: Option<String> = "",
        /// Its password.
        pub sasl_password: Secret = "",
        /// The file with the certificates that the brokers' are signed by; empty for those of the system.
        pub ssl_ca_location: Option<PathBuf> = "",
        /// The file with the program's own certificate, for brokers that ask for one.
        pub ssl_certificate_location: Option<PathBuf> = "",
        /// The file with the private key of that certificate.
        pub ssl_key_location: Option<PathBuf> = "",
        /// The password of that file.
        pub ssl_key_password: Secret = "",
        /// How the members of a group share out its partitions.
        pub group_protocol: GroupProtocol = "classic",
        /// The name of this process among the members of its groups, for static membership: back within the session
        /// time-out, it gets its partitions back without a rebalance. Another one for each process.
        pub instance_id: Option<String> = "",
        /// How long a member may be unheard of before its partitions go to others; empty is 30 s. With the classic
        /// protocol only: with `consumer` the broker says.
        pub session_timeout: Option<Duration> = "" in "1s"..="1h",
        /// How often a member lets itself be heard; empty is 10 s. With the classic protocol only.
        pub heartbeat_interval: Option<Duration> = "" in "100ms"..="20m",
        /// How long the program may stand still before its partitions go to others; a drain has to end within it.
        pub max_poll_interval: Duration = "5m" in "1s"..="1d",
        /// Most bytes of one partition that are fetched ahead.
        pub fetch_ahead: ByteSize = "1MB" in "64KB"..="1GB",
        /// How long a producer waits for more records to go out together. With 0s the first of many goes alone, and the others
        /// wait for its confirmation.
        pub linger: Duration = "1ms" in "0s"..="1s",
        /// How producers pack batches.
        pub compression: Compression = "lz4",
        /// How often the effects of processors that don't say it themselves (`#[processor(guarantee = "..")]`) become real.
        pub guarantee: Guarantee = "at-least-once",
        /// With `exactly-once`: how far apart the beginnings of two transactions are, unless much waits. What a step emits
        /// is seen by the next one once its transaction is committed.
        pub commit_interval: Duration = "100ms" in "1ms"..="10s",
        /// With `exactly-once`: how long a transaction may take before the broker ends it. What lies behind a transaction
        /// whose process has died is not seen before that.
        pub transaction_timeout: Duration = "10s" in "1s"..="15m",
        /// The folder in which this machine keeps what changelogs and tables add up to, so that a process that starts again
        /// reads only what came to them since; empty for none. It is made if it is not there; processes may share it.
        pub checkpoint_dir: Option<PathBuf> = "",
        /// How often checkpoints are brought up to date.
        pub checkpoint_interval: Duration = "1m" in "1s"..="1h",
        /// Copies of each partition of a topic that is made; empty for the broker's own default.
        pub replication_factor: Option<u16> = "" in "1"..="100",
        /// Whether topics that are missing are made at start. If not, a missing topic is an error.
        pub create_topics: bool = "true",
        /// How long a question to the brokers may take before it is given up.
        pub timeout: Duration = "10s" in "100ms"..="5m",
    }
}

impl Kafka {
    /// The session time-out where nothing is said.
    pub const DEFAULT_SESSION_TIMEOUT: Duration = Duration::from_secs(30);
    /// The heartbeat interval where nothing is said.
    pub const DEFAULT_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

    /// Session time-out and heartbeat interval as the client is to be told; `None` where the broker says.
    #[must_use]
    pub fn session(&self) -> Option<(Duration, Duration)> {
        let session = self.session_timeout.unwrap_or(Self::DEFAULT_SESSION_TIMEOUT);
        let heartbeat = self.heartbeat_interval.unwrap_or(Self::DEFAULT_HEARTBEAT_INTERVAL.min(session / 3));
        (self.group_protocol == GroupProtocol::Classic).then_some((session, heartbeat))
    }

    /// The brokers as a client takes them: parted by commas.
    #[must_use]
    pub fn brokers(&self) -> String {
        let brokers: Vec<_> = self.bootstrap_servers.iter().map(BrokerAddress::as_str).collect();
        brokers.join(",")
    }
}

#[cfg(test)]
mod tests;
