//! Publishers: put events from outside the log onto it, each exactly once, however often the process dies.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use pandaflow::{
    Group, Offset, Outgoing, Partition, TopicName,
    policy::{
        ledger::{Ledger, Outcome},
        watermark::Progress,
    },
    ports::{
        Owner, SettleError, SettleErrorKind, Settlement, SettlementStore, StoreError, TopicToCreate,
        Transport, Unsettled,
    },
};

/// Settlements on their way at once: one being made real, one waiting behind it.
const MOST_UNDER_WAY: usize = 2;

/// A settlement on its way, and how many lines of its sources it is.
type UnderWay = (u64, BoxFuture<'static, Result<(), Box<Unsettled>>>);

/// Publishes from named sources, such as files. How far it has come in each is stored in the same settlement as
/// the events, so after a crash it goes on with the first event that did not become real.
///
/// Events become real in the order of the calls, also after some did not: what came back is handed over again before
/// what follows, and a source's progress never goes back.
pub struct Publisher {
    store: Arc<dyn SettlementStore>,
    owner: Owner,
    /// How far each source was handed over.
    published: BTreeMap<TopicName, Offset>,
    ledger: Ledger,
    /// What is to be handed over next, in order.
    waiting: VecDeque<(u64, Settlement)>,
    /// What was handed over, in order.
    under_way: VecDeque<UnderWay>,
    /// How many at the head of what waits have come back since the first of them failed, for this reason.
    back: usize,
    failed: Option<SettleError>,
    real: u64,
}

/// What a publisher could not make real. It keeps the events.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NotPublished(#[from] SettleError);

impl NotPublished {
    /// Whether [`Publisher::flush`] may make it real: the store is busy, or a disk full. Not where another publisher of
    /// the same name has taken over, or the events can't become real as they are.
    #[must_use]
    pub fn may_be_tried_again(&self) -> bool {
        self.0.kind == SettleErrorKind::Retry
    }
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
        let (waiting, under_way) = (VecDeque::new(), VecDeque::new());
        let (owner, ledger) = (acquired.owner, acquired.ledger);
        Ok(Self { store, owner, published, ledger, waiting, under_way, back: 0, failed: None, real: 0 })
    }

    /// How many events of a source have been handed over, in this life or before.
    #[must_use]
    pub fn published(&self, source: &TopicName) -> u64 {
        self.published.get(source).map_or(0, |next| next.0)
    }

    /// How far the sources have come in this life, all together: what is real.
    #[must_use]
    pub fn real(&self) -> u64 {
        self.real
    }

    /// Hands the next events of the sources over; `from` tells by how much each source comes further with them. Waits
    /// while two settlements are under way.
    ///
    /// # Errors
    /// Something that was handed over, now or before, did not become real. All of it is kept: [`Publisher::flush`] tries
    /// again.
    pub async fn publish(
        &mut self,
        events: Vec<Outgoing>,
        from: impl IntoIterator<Item = (TopicName, u64)>,
    ) -> Result<(), NotPublished> {
        let mut lines = 0;
        for (source, count) in from {
            self.published.entry(source).or_default().0 += count;
            lines += count;
        }
        for _ in &events {
            self.ledger.consumed(1);
            self.ledger.settled(Outcome::Succeeded);
        }
        let progress = |(source, next): (&TopicName, &Offset)| (source.clone(), Progress::at(*next));
        let settlement = Settlement {
            outputs: events,
            progress: self.published.iter().map(progress).collect(),
            ledger: self.ledger,
            ..Settlement::empty(self.owner.clone())
        };
        self.waiting.push_back((lines, settlement));
        self.hand_over(MOST_UNDER_WAY - 1).await
    }

    /// Waits until all that was handed over is real, what came back before included.
    ///
    /// # Errors
    /// Something did not become real; it is kept, and this may be called again.
    pub async fn flush(&mut self) -> Result<(), NotPublished> {
        self.hand_over(0).await
    }

    /// Hands over what waits, and returns once no more than so many are under way. What it has done so far holds if it is
    /// dropped in the middle.
    async fn hand_over(&mut self, under_way: usize) -> Result<(), NotPublished> {
        if self.failed.is_none() {
            while let Some((lines, settlement)) = self.waiting.pop_front() {
                self.under_way.push_back((lines, self.store.settle(settlement)));
            }
        }
        // What was handed over behind one that came back comes back as well, before anything is handed over again.
        while self.under_way.len() > if self.failed.is_none() { under_way } else { 0 } {
            let Some((lines, settled)) = self.under_way.front_mut() else { break };
            let (lines, settled) = (*lines, settled.await);
            self.under_way.pop_front();
            match settled {
                Ok(()) => self.real += lines,
                Err(unsettled) => {
                    self.waiting.insert(self.back, (lines, unsettled.settlement));
                    self.back += 1;
                    self.failed.get_or_insert(unsettled.error);
                }
            }
        }
        self.back = 0;
        self.failed.take().map_or(Ok(()), |error| Err(NotPublished(error)))
    }
}
