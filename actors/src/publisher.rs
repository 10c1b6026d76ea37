//! Publishers: put events from outside the log onto it, each exactly once, however often the process dies.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use pandaflow::{
    Group, Offset, Outgoing, Partition, TopicName,
    policy::{
        ledger::{Ledger, Outcome},
        watermark::Progress,
    },
    ports::{Owner, Settlement, SettlementStore, StoreError, TopicToCreate, Transport, Unsettled},
};

/// Publishes from named sources, such as files. How far it has come in each is stored in the same settlement as
/// the events, so after a crash it goes on with the first event that did not become real.
pub struct Publisher {
    store: Arc<dyn SettlementStore>,
    owner: Owner,
    published: BTreeMap<TopicName, Offset>,
    ledger: Ledger,
}

impl Publisher {
    /// Takes over publishing under the name of `group`, fencing whoever did before.
    ///
    /// # Errors
    /// A store refused.
    pub async fn open(
        transport: &dyn Transport,
        group: Group,
        sources: Vec<TopicName>,
    ) -> Result<Self, StoreError> {
        let name = |topic: &TopicName| TopicToCreate {
            topic: topic.clone(),
            partitions: 1,
            retention: std::time::Duration::MAX,
            table: false,
        };
        transport.create_topics(sources.iter().map(name).collect()).await?;
        let store = transport.settlement();
        let acquired = store.acquire(group, Partition(0), sources).await?;
        let published =
            acquired.progress.into_iter().map(|(source, progress)| (source, progress.next)).collect();
        Ok(Self { store, owner: acquired.owner, published, ledger: acquired.ledger })
    }

    /// How many events of a source have been published, in this life or before.
    #[must_use]
    pub fn published(&self, source: &TopicName) -> u64 {
        self.published.get(source).map_or(0, |next| next.0)
    }

    /// Publishes again what came back. Others that were handed over behind it came back as well: each has to be
    /// published again, in its order.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn publish_again(
        &self,
        unsettled: Unsettled,
    ) -> impl Future<Output = Result<(), Box<Unsettled>>> + Send + 'static + use<> {
        self.store.settle(unsettled.settlement)
    }

    /// Publishes the next events of the sources; `from` tells how many of each are among them. The future
    /// resolves when they are real. Several may be under way; they become real in the order of the calls.
    ///
    /// # Errors
    /// They did not become real; they come back.
    pub fn publish<I: IntoIterator<Item = (TopicName, u64)>>(
        &mut self,
        events: Vec<Outgoing>,
        from: I,
    ) -> impl Future<Output = Result<(), Box<Unsettled>>> + Send + 'static + use<I> {
        for (source, count) in from {
            self.published.entry(source).or_default().0 += count;
        }
        for _ in &events {
            self.ledger.consumed(1);
            self.ledger.settled(Outcome::Succeeded);
        }
        let progress = |(source, next): (&TopicName, &Offset)| (source.clone(), Progress::at(*next));
        self.store.settle(Settlement {
            owner: self.owner.clone(),
            outputs: events,
            states: Vec::new(),
            marks: Vec::new(),
            dead_letters: Vec::new(),
            attempts: Vec::new(),
            progress: self.published.iter().map(progress).collect(),
            ledger: self.ledger,
        })
    }
}
