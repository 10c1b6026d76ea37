//! Carries a topic plan out.

use std::{collections::BTreeMap, time::Duration};

use pandaflow::policy::topic_plan::{Change, Cleanup, TopicPlan, WantedTopic};
use rdkafka::{
    admin::{AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::time::{Instant, sleep};

use super::{Broker, BrokerError, describe};

/// How often it is asked whether new topics have their leaders.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Broker {
    /// Makes changes of a plan; what could not be done is told, a sentence each. Somebody else who makes the same topic at
    /// the same time is no fault.
    ///
    /// # Errors
    /// The broker could not be asked at all.
    pub async fn apply(&self, changes: &[Change]) -> Result<Vec<String>, BrokerError> {
        let mut faults = Vec::new();
        let missing: Vec<_> = changes.iter().filter_map(created).collect();
        faults.extend(self.create(&missing).await?);
        for change in changes {
            if let Change::AddPartitions { topic, to, .. } = change {
                faults.extend(self.add_partitions(topic, *to).await?);
            }
        }
        faults.extend(self.alter(changes).await?);
        if faults.is_empty() {
            self.wait_for(&missing).await?;
        }
        Ok(faults)
    }

    /// What is left to change once changes have been made: a broker takes a moment until it tells what it was told.
    ///
    /// # Errors
    /// The broker did not answer.
    pub async fn left(&self, wanted: &[WantedTopic]) -> Result<TopicPlan, BrokerError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let plan = self.plan(wanted).await?;
            if plan.changes.is_empty() || Instant::now() > deadline {
                return Ok(plan);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn create(&self, missing: &[&WantedTopic]) -> Result<Vec<String>, BrokerError> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let settings: Vec<_> = missing.iter().map(|topic| settings_of(topic)).collect();
        let mut topics = Vec::new();
        for (topic, settings) in missing.iter().zip(&settings) {
            let partitions = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
            let mut new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(self.replication));
            for (name, value) in settings {
                new = new.set(name, value);
            }
            topics.push(new);
        }
        let answer = self.admin.create_topics(&topics, &self.options()).await;
        let answer = answer.map_err(|error| self.failed("topics can't be made", &error))?;
        let fault = |result| match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => None,
            Err((topic, code)) => Some(self.refused(&format!("{topic} can't be made"), code).to_string()),
        };
        Ok(answer.into_iter().filter_map(fault).collect())
    }

    async fn add_partitions(&self, topic: &str, to: u32) -> Result<Option<String>, BrokerError> {
        let new = NewPartitions::new(topic, to as usize);
        let answer = self.admin.create_partitions(&[new], &self.options()).await;
        let answer = answer.map_err(|error| self.failed("partitions can't be added", &error))?;
        let fault = |result| match result {
            Ok(_) => None,
            Err((topic, code)) => {
                Some(self.refused(&format!("partitions can't be added to {topic}"), code).to_string())
            }
        };
        Ok(answer.into_iter().find_map(fault))
    }

    /// Settings of topics that are there. The request sets all settings of a topic, so those that others have set on it are
    /// read just before and handed along.
    async fn alter(&self, changes: &[Change]) -> Result<Vec<String>, BrokerError> {
        let mut wanted: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for change in changes {
            let settings = altered(change);
            if !settings.is_empty() {
                wanted.entry(change.topic()).or_default().extend(settings);
            }
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<_> = wanted.keys().copied().collect();
        let mut overrides = describe::overrides(self, &names).await?;
        for (topic, settings) in wanted {
            let own = overrides.entry(topic.to_string()).or_default();
            own.extend(settings.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        let mut altered = Vec::new();
        for (topic, settings) in &overrides {
            let mut alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
            for (name, value) in settings {
                alter = alter.set(name, value);
            }
            altered.push(alter);
        }
        let answer = self.admin.alter_configs(&altered, &self.options()).await;
        let answer = answer.map_err(|error| self.failed("settings of topics can't be changed", &error))?;
        let fault = |result| match result {
            Ok(_) => None,
            Err((topic, code)) => {
                Some(self.refused(&format!("the settings of {topic:?} can't be changed"), code).to_string())
            }
        };
        Ok(answer.into_iter().filter_map(fault).collect())
    }

    /// Waits until new topics can be written to.
    async fn wait_for(&self, made: &[&WantedTopic]) -> Result<(), BrokerError> {
        let deadline = Instant::now() + self.timeout;
        while !made.is_empty() {
            let metadata = self.metadata().await?;
            let led = |wanted: &&&WantedTopic| {
                metadata.topics().iter().any(|topic| {
                    topic.name() == wanted.name.as_str()
                        && topic.partitions().len() >= wanted.partitions as usize
                        && topic.partitions().iter().all(|partition| partition.leader() >= 0)
                })
            };
            let Some(late) = made.iter().find(|wanted| !led(wanted)) else { break };
            if Instant::now() > deadline {
                let name = &late.name;
                return Err(BrokerError::Refused(format!(
                    "{name} was made and has no leader within {:?} (KAFKA__TIMEOUT)",
                    self.timeout
                )));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    pub(super) fn failed(&self, what: &str, error: &KafkaError) -> BrokerError {
        match error.rdkafka_error_code() {
            Some(code) => self.refused(what, code),
            None => BrokerError::Refused(format!("{what} at {}: {error}", self.servers)),
        }
    }
}

fn created(change: &Change) -> Option<&WantedTopic> {
    match change {
        Change::Create(topic) => Some(topic),
        _ => None,
    }
}

/// What a topic is made with.
fn settings_of(topic: &WantedTopic) -> Vec<(&'static str, String)> {
    let cleanup = topic.purpose.cleanup();
    let mut settings = vec![
        ("cleanup.policy", cleanup.as_str().to_owned()),
        ("max.message.bytes", WantedTopic::MAX_RECORD.to_string()),
    ];
    match cleanup {
        Cleanup::Delete => {
            settings.push(("retention.ms", millis(topic.retention, -1)));
            settings.push(("retention.bytes", "-1".into()));
        }
        _ => settings.push((LAG, millis(Some(topic.compaction_lag()), i64::MAX))),
    }
    settings
}

const LAG: &str = "min.compaction.lag.ms";

/// The settings that a change makes.
fn altered(change: &Change) -> Vec<(&'static str, String)> {
    match change {
        Change::RaiseRetention { to, .. } => vec![("retention.ms", millis(*to, -1))],
        Change::LiftSizeLimit { .. } => vec![("retention.bytes", "-1".into())],
        Change::Compact { lag, .. } => {
            vec![("cleanup.policy", Cleanup::Compact.as_str().into()), (LAG, millis(Some(*lag), i64::MAX))]
        }
        Change::RaiseCompactionLag { to, .. } => vec![(LAG, millis(Some(*to), i64::MAX))],
        Change::RaiseRecordLimit { to, .. } => vec![("max.message.bytes", to.to_string())],
        _ => Vec::new(),
    }
}

/// A duration as a broker takes it.
fn millis(duration: Option<Duration>, for_ever: i64) -> String {
    let millis = duration.and_then(|duration| i64::try_from(duration.as_millis()).ok());
    millis.unwrap_or(for_ever).to_string()
}
