//! Whether a broker answers at all, for whoever has to tell a client that hangs from a broker that is away.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use super::quiet::Quiet;

/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks by a client that is made for the question, and so knows nothing that is out of date.
pub(super) struct Answers(ClientConfig);

impl Answers {
    pub(super) fn new(config: ClientConfig) -> Self {
        Self(config)
    }

    /// Whether a broker tells of this topic, by its name there, that each partition has a leader.
    pub(super) async fn for_topic(&self, topic: &str) -> bool {
        let (config, topic) = (self.0.clone(), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let client: BaseConsumer<Quiet> = config.create_with_context(Quiet::default()).ok()?;
            let answer = client.fetch_metadata(Some(&topic), PATIENCE).ok()?;
            let topic = answer.topics().first()?;
            Some(
                topic.error().is_none() && topic.partitions().iter().all(|partition| partition.leader() >= 0),
            )
        });
        asked.await.ok().flatten().unwrap_or(false)
    }
}
