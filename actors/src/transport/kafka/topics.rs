//! What topics there are on the broker, and making them.

mod ends;

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use pandaflow::{
    TopicName,
    ports::{StoreError, TopicToCreate},
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    consumer::Consumer,
    error::{IsError, KafkaError, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};

use super::{
    asking::Asking,
    config::KafkaConfig,
    failure::{failed, store_error},
    names::Names,
    quiet::Quiet,
};

/// How long to wait before asking again for a leader.
const LEADER_COMES: Duration = Duration::from_millis(20);
/// How late a broker ends a transaction whose time is over: by default it looks every 10 s.
const LATE: Duration = Duration::from_secs(15);

/// A topic to be made.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) topic: TopicName,
    pub(super) partitions: u32,
    pub(super) keep: Keep,
    /// Bytes of a record, at most.
    pub(super) max_record: usize,
}

/// How long records are kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep {
    /// So long at least.
    For(Duration),
    /// So long at least, and the latest of a key always.
    Latest(Duration),
}

impl Wanted {
    /// A topic of events whose records have so many bytes at most.
    pub(super) fn of(topic: TopicToCreate, max_record: usize) -> Self {
        let keep = if topic.table { Keep::Latest(topic.retention) } else { Keep::For(topic.retention) };
        Self { topic: topic.topic, partitions: topic.partitions, keep, max_record }
    }
}

/// What the broker tells of a topic.
struct There {
    partitions: u32,
    /// Whether each of them has a leader.
    led: bool,
}

/// Topics, as far as they have been asked for: their partitions are never fewer later.
pub(super) struct Topics {
    client: Asking,
    quiet: Quiet,
    /// Sees records also where no transaction has committed them.
    unbound: Asking,
    bootstrap_servers: String,
    admin: AdminClient<Quiet>,
    names: Names,
    timeout: Duration,
    /// How long a transaction may be open, at most.
    open_transactions: Duration,
    replication: i32,
    known: RwLock<HashMap<TopicName, u32>>,
}

impl Topics {
    pub(super) fn new(config: &KafkaConfig, names: Names) -> Result<Self, StoreError> {
        let asking: ClientConfig = config.asking();
        let quiet = Quiet::default();
        let client = Asking::new(asking.clone(), quiet.clone())?;
        let mut uncommitted = config.asking();
        uncommitted.set("isolation.level", "read_uncommitted");
        let unbound = Asking::new(uncommitted, Quiet::default())?;
        let admin = asking.create_with_context(Quiet::default()).map_err(failed("making an admin client"))?;
        Ok(Self {
            client,
            quiet,
            unbound,
            bootstrap_servers: config.bootstrap_servers.clone(),
            admin,
            names,
            timeout: config.request_timeout,
            open_transactions: config.transaction_timeout + LATE,
            replication: config.replication,
            known: RwLock::default(),
        })
    }

    /// How many partitions a topic has, if that is known already.
    pub(super) fn known(&self, topic: &TopicName) -> Option<u32> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    /// How many partitions a topic has; `None` if there is none. Blocks when it has to ask.
    pub(super) fn partitions(&self, topic: &TopicName) -> Result<Option<u32>, StoreError> {
        match self.known(topic) {
            Some(partitions) => Ok(Some(partitions)),
            None => self.ask(topic),
        }
    }

    /// As [`Topics::partitions`]; a number that is too small is asked for anew, as the topic may have grown since. Blocks.
    pub(super) fn partitions_for(&self, topic: &TopicName, least: u32) -> Result<Option<u32>, StoreError> {
        match self.known(topic) {
            Some(partitions) if partitions >= least => Ok(Some(partitions)),
            _ => self.ask(topic),
        }
    }

    /// What is known of a topic may be out of date: it is asked for anew when it is needed next.
    pub(super) fn forget(&self, topic: &TopicName) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }

    /// As [`Topics::partitions`], but a missing topic is an error.
    pub(super) fn must_have(&self, topic: &TopicName) -> Result<u32, StoreError> {
        self.partitions(topic)?.ok_or_else(|| missing(topic))
    }

    fn ask(&self, topic: &TopicName) -> Result<Option<u32>, StoreError> {
        self.ask_all(topic).map(|there| there.map(|there| there.partitions))
    }

    fn ask_all(&self, topic: &TopicName) -> Result<Option<There>, StoreError> {
        let name = self.names.topic(topic);
        self.serve();
        let metadata = self
            .client
            .get()
            .fetch_metadata(Some(&name), self.timeout)
            .map_err(|error| self.no_answer(&format!("asking for topic {topic}"), &error))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == name) else {
            self.forget(topic);
            return Ok(None);
        };
        match found.error() {
            None => {}
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => {
                self.forget(topic);
                return Ok(None);
            }
            Some(error) => {
                return Err(store_error(format!("topic {topic}: {}", RDKafkaErrorCode::from(error))));
            }
        }
        let partitions = u32::try_from(found.partitions().len()).unwrap_or(u32::MAX);
        let led = found.partitions().iter().all(|partition| {
            partition.leader() >= 0 && partition.error().is_none_or(|error| !error.is_error())
        });
        if partitions == 0 {
            return Ok(None);
        }
        // Also without all leaders: a partition that has none holds up those alone who need it.
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(topic.clone(), partitions);
        Ok(Some(There { partitions, led }))
    }

    /// How long compaction keeps a removal (a record without a value) of a topic.
    pub(super) async fn removals_kept(&self, topic: &TopicName) -> Result<Duration, StoreError> {
        const SETTING: &str = "delete.retention.ms";
        let (name, options) =
            (self.names.topic(topic), AdminOptions::new().request_timeout(Some(self.timeout)));
        let what = format!("asking for {SETTING} of topic {topic}");
        let asked = [ResourceSpecifier::Topic(&name)];
        let mut answer = self.admin.describe_configs(&asked, &options).await.map_err(failed(&what))?;
        let told = answer.pop().ok_or_else(|| store_error(format!("{what}: there is no answer")))?;
        let told = told.map_err(|code| store_error(format!("{what}: {code}")))?;
        let millis = told.get(SETTING).and_then(|entry| entry.value.as_deref()?.parse().ok());
        let millis = millis.ok_or_else(|| store_error(format!("{what}: the broker does not tell it")))?;
        Ok(Duration::from_millis(millis))
    }

    /// All topics of ours with their partitions. Blocks.
    pub(super) fn all(&self) -> Result<Vec<(TopicName, u32)>, StoreError> {
        self.serve();
        let metadata = self
            .client
            .get()
            .fetch_metadata(None, self.timeout)
            .map_err(|error| self.no_answer("asking for all topics", &error))?;
        let ours = metadata.topics().iter().filter_map(|found| {
            let topic = self.names.read(found.name()).filter(|_| !found.name().starts_with("__"))?;
            Some((topic, u32::try_from(found.partitions().len()).ok()?))
        });
        Ok(ours.collect())
    }

    /// Errors of this client come with its answers; what it tells besides would pile up.
    fn serve(&self) {
        // A poll that served something may say that there is nothing.
        for _ in 0..100 {
            let _ = self.client.get().poll(Duration::ZERO);
            let _ = self.unbound.get().poll(Duration::ZERO);
        }
    }

    /// Why the broker said nothing.
    fn no_answer(&self, what: &str, error: &KafkaError) -> StoreError {
        self.serve();
        let silent = [RDKafkaErrorCode::OperationTimedOut, RDKafkaErrorCode::BrokerTransportFailure];
        if !error.rdkafka_error_code().is_some_and(|code| silent.contains(&code)) {
            return store_error(format!("{what}: {error}"));
        }
        let why = self.quiet.last_error().map(|why| format!(" ({why})")).unwrap_or_default();
        let (servers, timeout) = (&self.bootstrap_servers, self.timeout);
        store_error(format!(
            "{what}: no broker of bootstrap servers {servers} answered within {timeout:?}{why}"
        ))
    }

    /// Makes the topics that are not known to be there; tells which.
    pub(super) async fn make(&self, wanted: &[Wanted]) -> Result<Vec<TopicName>, StoreError> {
        if let Some(empty) = wanted.iter().find(|wanted| wanted.partitions == 0) {
            let message = format!("topic {} needs at least 1 partition, not 0", empty.topic);
            return Err(store_error(message));
        }
        let missing: Vec<&Wanted> =
            wanted.iter().filter(|wanted| self.known(&wanted.topic).is_none()).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let settings: Vec<_> =
            missing.iter().map(|wanted| (self.names.topic(&wanted.topic), settings(wanted))).collect();
        let topics: Vec<NewTopic<'_>> = missing
            .iter()
            .zip(&settings)
            .map(|(wanted, (name, settings))| {
                let copies = TopicReplication::Fixed(self.replication);
                let new = NewTopic::new(name, number(wanted.partitions), copies);
                settings.iter().fold(new, |new, (name, value)| new.set(name, value))
            })
            .collect();
        let made =
            self.admin.create_topics(&topics, &self.options()).await.map_err(failed("making topics"))?;
        for result in made {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, error)) => return Err(store_error(format!("making topic {name}: {error}"))),
            }
        }
        Ok(missing.into_iter().map(|wanted| wanted.topic.clone()).collect())
    }

    /// Waits until topics that were made can be used. Blocks.
    pub(super) fn await_made(&self, topics: &[TopicName]) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.timeout;
        for topic in topics {
            while self.ask_all(topic)?.is_none_or(|there| !there.led) {
                if Instant::now() > deadline {
                    return Err(store_error(format!("topic {topic} was made, but has no leader yet")));
                }
                std::thread::sleep(LEADER_COMES);
            }
        }
        Ok(())
    }

    /// Gives a topic more partitions.
    pub(super) async fn grow(&self, topic: &TopicName, partitions: u32) -> Result<(), StoreError> {
        let name = self.names.topic(topic);
        let more = NewPartitions::new(&name, partitions as usize);
        let what = format!("giving topic {topic} {partitions} partitions");
        let grown = self.admin.create_partitions([&more], &self.options()).await.map_err(failed(&what))?;
        for result in grown {
            match result {
                // Somebody else was faster.
                Ok(_) | Err((_, RDKafkaErrorCode::InvalidPartitions)) => {}
                Err((_, error)) => return Err(store_error(format!("{what}: {error}"))),
            }
        }
        self.forget(topic);
        Ok(())
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }
}

/// A partition's number as the client takes it.
pub(super) fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

pub(super) fn missing(topic: &TopicName) -> StoreError {
    store_error(format!("there is no topic {topic}: create it first"))
}

fn settings(wanted: &Wanted) -> Vec<(&'static str, String)> {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).ok();
    let mut settings = vec![("max.message.bytes", wanted.max_record.to_string())];
    settings.extend(match wanted.keep {
        Keep::For(duration) => [
            ("cleanup.policy", "delete".into()),
            ("retention.ms", millis(duration).unwrap_or(-1).to_string()),
        ],
        // What is younger than that is not thrown away for a later record of its key: somebody may have yet to read it.
        Keep::Latest(duration) => [
            ("cleanup.policy", "compact".into()),
            ("min.compaction.lag.ms", millis(duration).unwrap_or(i64::MAX).to_string()),
        ],
    });
    settings
}
