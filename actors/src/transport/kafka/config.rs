//! What a Kafka transport is set up with, and what librdkafka is told because of it.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use pandaflow::{
    Guarantee,
    ports::{DeadLetterStore, DedupStore, StoreError},
};
use rdkafka::ClientConfig;

use super::{checkpoint::CheckpointConfig, failure::store_error};
use crate::transport::settlement_database::SettlementDatabase;

/// The client's two names for how much of a partition it fetches at once.
const FETCH_NAMES: [&str; 2] = ["max.partition.fetch.bytes", "fetch.message.max.bytes"];
/// Bytes of a partition in one fetch, at least and at most; a record that is longer comes all the same.
const FETCHES: (usize, usize) = (64 << 10, 1 << 20);
/// Bytes that a dead letter has for what happened.
const LETTER_ROOM: usize = 64 << 10;
/// The largest record that librdkafka takes as a limit.
const MOST_BYTES: usize = 1_000_000_000;

/// Which protocol the members of a group speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The protocol that every broker knows: `cooperative-sticky`, or `range` where inputs must be co-partitioned.
    #[default]
    Classic,
    /// KIP-848, from Kafka 4.0 on: the broker assigns.
    Consumer,
}

/// Settings of a Kafka transport.
#[derive(Clone)]
pub struct KafkaConfig {
    /// `host:port` of some brokers, separated by commas. Default: `127.0.0.1:9092`.
    pub bootstrap_servers: String,
    /// What the broker calls this program in its logs. Default: `pandaflow`.
    pub client_id: String,
    /// Stands before the name of every topic and group on the broker, so that several deployments can share one.
    /// Default: empty.
    pub prefix: String,
    /// What the names of groups begin with, behind [`prefix`](Self::prefix), that processors don't name: that of who publishes what
    /// settlements in a database emit. `pandaflow` by default.
    pub group_prefix: String,
    /// The group protocol. Default: classic.
    pub protocol: GroupProtocol,
    /// Static membership: a name that no other member of a group has and that stays over restarts. Default: none.
    pub instance_id: Option<String>,
    /// How long a member may be unheard of, and how often it lets itself be heard, with the classic protocol. Default: 30 s
    /// and 3 s.
    pub session: (Duration, Duration),
    /// How long a member may stand still before its partitions go to others. Default: 5 minutes.
    pub max_poll_interval: Duration,
    /// How long a revoked partition may take to drain. It has to be shorter than `max_poll_interval`.
    /// Default: 45 s.
    pub drain: Duration,
    /// How long a request to the broker may take. Default: 10 s.
    pub request_timeout: Duration,
    /// How long a record may take to be confirmed, all retries included. Default: 2 minutes.
    pub delivery_timeout: Duration,
    /// Bytes of fetched records that wait for each partition, at most (one fetch may go over: of a quarter as it lies on the
    /// broker, 64 KiB to 1 MiB). Default: 1 MiB.
    pub partition_buffer: usize,
    /// How long a producer waits for more records to go out together. Default: 1 ms; none at all costs throughput, since the
    /// first record of many goes alone then.
    pub linger: Duration,
    /// How a producer packs batches, as librdkafka names it. Default: `lz4`.
    pub compression: &'static str,
    /// Bytes of a record, at most. Topics that are made get it as their limit. Default: 16 MiB.
    pub max_record: usize,
    /// How often the effects of owners become real that don't say it themselves. Default: at least once.
    pub guarantee: Guarantee,
    /// Exactly-once: how far apart the beginnings of two transactions are, unless much waits. Default: 100 ms.
    pub commit_interval: Duration,
    /// Exactly-once: how long a transaction may take before the broker ends it. Default: 10 s.
    pub transaction_timeout: Duration,
    /// Where what changelogs and tables add up to is kept on this machine, so that a process that starts again reads only what
    /// came since. Default: nowhere.
    pub checkpoints: Option<CheckpointConfig>,
    /// Copies of the topics that are made; -1 is the broker's default. Default: -1.
    pub replication: i32,
    /// Properties of librdkafka that are passed through as they are, over all that is set here.
    pub properties: BTreeMap<String, String>,
    /// The same, for consumers alone.
    pub consumer_properties: BTreeMap<String, String>,
    /// The same, for producers alone.
    pub producer_properties: BTreeMap<String, String>,
    /// Where ids that were seen are kept: Kafka has no place for them.
    pub dedup: Arc<dyn DedupStore>,
    /// Where dead letters go, if not to the topic `{topic}.dlq`.
    pub dead_letters: Option<Arc<dyn DeadLetterStore>>,
    /// The database in which settlements are made, in place of the brokers: state, progress, ids and dead letters lie there, and
    /// outputs in its outbox until they are published. Default: none.
    pub settle_in: Option<Arc<dyn SettlementDatabase>>,
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Properties may hold passwords: their names have to do.
        f.debug_struct("KafkaConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("client_id", &self.client_id)
            .field("prefix", &self.prefix)
            .field("protocol", &self.protocol)
            .field("instance_id", &self.instance_id)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl KafkaConfig {
    /// The defaults, with ids kept in this store.
    #[must_use]
    pub fn new(bootstrap_servers: &str, dedup: Arc<dyn DedupStore>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            client_id: "pandaflow".into(),
            prefix: String::new(),
            group_prefix: "pandaflow".into(),
            protocol: GroupProtocol::default(),
            instance_id: None,
            session: (Duration::from_secs(30), Duration::from_secs(3)),
            max_poll_interval: Duration::from_secs(300),
            drain: Duration::from_secs(45),
            request_timeout: Duration::from_secs(10),
            delivery_timeout: Duration::from_secs(120),
            partition_buffer: 1 << 20,
            linger: Duration::from_millis(1),
            compression: "lz4",
            max_record: 16 << 20,
            guarantee: Guarantee::AtLeastOnce,
            commit_interval: Duration::from_millis(100),
            transaction_timeout: Duration::from_secs(10),
            checkpoints: None,
            replication: -1,
            properties: BTreeMap::new(),
            consumer_properties: BTreeMap::new(),
            producer_properties: BTreeMap::new(),
            dedup,
            dead_letters: None,
            settle_in: None,
        }
    }

    /// Whether what is set goes together.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let set = [&self.properties, &self.consumer_properties];
        let set = set.iter().find_map(|properties| properties.get("max.poll.interval.ms")?.parse().ok());
        let interval = set.map_or(self.max_poll_interval, Duration::from_millis);
        if self.drain >= interval {
            return Err(store_error(format!(
                "a drain of {:?} is not shorter than max.poll.interval.ms, {interval:?}: the group would go on without \
                 its member",
                self.drain
            )));
        }
        Ok(())
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap_servers);
        config.set("client.id", &self.client_id);
        // The time to notice that a broker is gone, and the pauses between attempts to reach it again.
        config.set("reconnect.backoff.ms", "50");
        config.set("reconnect.backoff.max.ms", "1000");
        config
    }

    fn passed_through(&self, mut config: ClientConfig) -> ClientConfig {
        set_all(&mut config, &self.properties);
        config
    }

    /// Bytes of a record, at most: what is set here, or what librdkafka is told, if that is less.
    pub(super) fn record_limit(&self) -> usize {
        self.told_limit().unwrap_or(usize::MAX).min(self.max_record)
    }

    /// Bytes of a dead letter, at most. It has its event's headers twice, once in base64, and what happened, so that it needs
    /// more room than the event.
    pub(super) fn letter_limit(&self) -> usize {
        self.told_limit().unwrap_or(self.max_record.saturating_mul(2).saturating_add(LETTER_ROOM))
    }

    /// What was passed through to librdkafka as the limit of a record.
    fn told_limit(&self) -> Option<usize> {
        let limit = |properties: &BTreeMap<String, String>| properties.get("message.max.bytes")?.parse().ok();
        limit(&self.properties).or_else(|| limit(&self.producer_properties))
    }

    /// For asking about topics.
    pub(super) fn asking(&self) -> ClientConfig {
        self.passed_through(self.client())
    }

    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("linger.ms", (self.linger.as_secs_f64() * 1000.0).to_string());
        config.set("compression.type", self.compression);
        config.set("message.max.bytes", self.letter_limit().min(MOST_BYTES).to_string());
        config.set("queue.buffering.max.kbytes", "65536");
        config.set("delivery.timeout.ms", self.delivery_timeout.as_millis().to_string());
        set_all(&mut config, &self.producer_properties);
        self.passed_through(config)
    }

    /// For a producer whose records become real by transactions under this name.
    pub(super) fn transactional(&self, id: &str) -> ClientConfig {
        let mut config = self.producer();
        config.set("transactional.id", id);
        let timeout = millis(self.transaction_timeout);
        config.set("transaction.timeout.ms", &timeout);
        // The first request of a transaction may meet the end of the one before.
        if config.get("retry.backoff.ms").is_none() {
            config.set("retry.backoff.ms", "10");
        }
        // What takes longer comes too late for its transaction, and the client refuses it.
        for name in ["delivery.timeout.ms", "message.timeout.ms", "socket.timeout.ms"] {
            let longer = config.get(name).and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
            if longer.is_some_and(|longer| longer.is_zero() || longer > self.transaction_timeout) {
                config.set(name, &timeout);
            }
        }
        config
    }

    fn consumer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "earliest");
        config.set("isolation.level", "read_committed");
        // With its default of 1000 a consumer whose buffer was full stands still for a second.
        config.set("fetch.queue.backoff.ms", "2");
        config.set("fetch.wait.max.ms", "50");
        config.set("queued.max.messages.kbytes", (self.partition_buffer >> 10).max(1).to_string());
        // As they lie on the broker: unpacked they are several times as much.
        self.fetch(&mut config, (self.partition_buffer / 4).clamp(FETCHES.0, FETCHES.1));
        set_all(&mut config, &self.consumer_properties);
        config
    }

    /// How much of a partition to fetch at once, unless somebody has set it, under one name or the other.
    fn fetch(&self, config: &mut ClientConfig, bytes: usize) {
        let set = [&self.properties, &self.consumer_properties];
        if set.iter().any(|set| FETCH_NAMES.iter().any(|name| set.contains_key(*name))) {
            return;
        }
        // A broker that is to wait for more than it may hand over would wait for all of its time.
        let least = set.iter().filter_map(|set| set.get("fetch.min.bytes")?.parse().ok()).max();
        config.set(FETCH_NAMES[0], bytes.max(least.unwrap_or(0)).to_string());
    }

    /// For commits and for reading them, without becoming a member.
    pub(super) fn outsider(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer();
        config.set("group.id", group);
        self.passed_through(config)
    }

    /// For reading a topic without a group.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.consumer();
        // It is never joined, but without a name nothing can be assigned.
        config.set("group.id", format!("{}{}.reader", self.prefix, self.client_id));
        config.set("enable.partition.eof", "true");
        config.set("fetch.wait.max.ms", "10");
        self.fetch(&mut config, FETCHES.1);
        self.passed_through(config)
    }

    /// For a glance at what lies somewhere: as a reader, with little more than a record at once.
    pub(super) fn glancing(&self) -> ClientConfig {
        let mut config = self.reader();
        config.set("queued.min.messages", "1");
        for name in FETCH_NAMES {
            config.remove(name);
        }
        config.set(FETCH_NAMES[0], "16384");
        config
    }

    /// For a member of a group that reads so many topics.
    pub(super) fn member(&self, group: &str, topics: usize) -> ClientConfig {
        let mut config = self.consumer();
        config.set("group.id", group);
        config.set("max.poll.interval.ms", millis(self.max_poll_interval));
        if let Some(instance) = &self.instance_id {
            config.set("group.instance.id", instance);
        }
        match self.protocol {
            GroupProtocol::Classic => {
                // `cooperative-sticky` gives partition n of two topics to different members.
                let strategy = if topics > 1 { "range" } else { "cooperative-sticky" };
                config.set("partition.assignment.strategy", strategy);
                let (session, heartbeat) = self.session;
                config.set("session.timeout.ms", millis(session));
                config.set("heartbeat.interval.ms", millis(heartbeat));
                // They tell whether a round of the group's is under way.
                config.set("statistics.interval.ms", "500");
            }
            GroupProtocol::Consumer => {
                config.set("group.protocol", "consumer");
                if topics > 1 {
                    config.set("group.remote.assignor", "range");
                }
            }
        }
        self.passed_through(config)
    }
}

fn set_all(config: &mut ClientConfig, properties: &BTreeMap<String, String>) {
    for (name, value) in properties {
        config.set(name, value);
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}
