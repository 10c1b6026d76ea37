//! Whether a broker answers at all, for whoever has to tell a client that hangs from a broker that is away.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use super::quiet::Quiet;

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks by clients that are made for the question, and so know nothing that is out of date.
pub(super) struct Answers {
    config: ClientConfig,
    /// By topic, when it was asked last and what the answer was, once it has come.
    told: Mutex<HashMap<String, (Instant, Option<bool>)>>,
    /// How old an answer may be.
    fresh: Duration,
}

impl Answers {
    /// One question about a topic in as much time as `fresh`, however many ask.
    pub(super) fn new(config: ClientConfig, fresh: Duration) -> Self {
        Self { config, told: Mutex::default(), fresh }
    }

    fn told(&self) -> MutexGuard<'_, HashMap<String, (Instant, Option<bool>)>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a broker tells of each of these topics, by their names there, that every partition has a leader. `None` while
    /// somebody else is asking.
    pub(super) async fn for_topics(&self, topics: &[Arc<str>]) -> Option<bool> {
        for topic in topics {
            if !self.for_topic(topic).await? {
                return Some(false);
            }
        }
        Some(true)
    }

    async fn for_topic(&self, topic: &str) -> Option<bool> {
        {
            let mut told = self.told();
            match told.get(topic) {
                Some((at, answer)) if at.elapsed() < self.fresh => return *answer,
                _ => drop(told.insert(topic.to_owned(), (Instant::now(), None))),
            }
        }
        let (config, name) = (self.config.clone(), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let client: BaseConsumer<Quiet> = config.create_with_context(Quiet::default()).ok()?;
            let answer = client.fetch_metadata(Some(&name), PATIENCE).ok()?;
            let found = answer.topics().first()?;
            Some(
                found.error().is_none() && found.partitions().iter().all(|partition| partition.leader() >= 0),
            )
        });
        let answer = asked.await.ok().flatten().unwrap_or(false);
        self.told().insert(topic.to_owned(), (Instant::now(), Some(answer)));
        Some(answer)
    }
}
