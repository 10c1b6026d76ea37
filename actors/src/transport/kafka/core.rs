//! What all ports of a Kafka transport share.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use pandaflow::{
    Group, Guarantee, Partition, TopicName,
    ports::{StoreError, Subscription},
};

use tokio::{sync::Notify, task::JoinHandle};

use super::{
    background::Background,
    checkpoint::{Checkpoints, Counts, Kind},
    config::KafkaConfig,
    gaps::Gaps,
    names::Names,
    outsider::{Outsider, Publishing},
    owners::Owners,
    producer::Producer,
    relay,
    topics::{Keep, Topics, Wanted},
    unfit::Unfit,
};

/// How long a changelog's records are kept at least before later ones of their key replace them.
const CHANGELOG_LAG: Duration = Duration::ZERO;
/// How long the end waits for what is in the outbox to be published.
const LAST_RECORDS: Duration = Duration::from_secs(10);
/// How long dead letters are kept: two weeks, so that somebody sees them after a holiday.
const DEAD_LETTERS_KEPT: Duration = Duration::from_secs(14 * 24 * 3600);

pub(super) struct Core {
    pub(super) config: KafkaConfig,
    pub(super) names: Names,
    pub(super) background: Background,
    pub(super) topics: Topics,
    pub(super) producer: Producer,
    pub(super) owners: Owners,
    pub(super) checkpoints: Option<Checkpoints>,
    /// What was read to bring back state and tables.
    pub(super) restored: Counts,
    pub(super) gaps: Gaps,
    /// Records that the broker has refused for good.
    pub(super) unfit: Unfit,
    /// Set once; threads that follow topics look at it.
    pub(super) closed: Arc<AtomicBool>,
    /// Set once, when all owners have ended: the relay publishes what waits, and ends.
    pub(super) closing: AtomicBool,
    /// Rung when a settlement has put something into the database's outbox.
    pub(super) outbox_filled: Arc<Notify>,
    relay: Mutex<Option<JoinHandle<()>>>,
    outsiders: Mutex<HashMap<Group, Arc<Outsider>>>,
    /// Those that make transactions for a partition that was acquired without joining its group: exactly-once publishers, and
    /// the relay.
    publishing: Mutex<HashMap<(Group, Partition), Arc<Publishing>>>,
    /// Subscriptions under way, for whoever closes the transport.
    subscriptions: Mutex<Vec<Weak<dyn Subscription>>>,
}

impl Core {
    pub(super) fn new(config: KafkaConfig) -> Result<Arc<Self>, StoreError> {
        config.check()?;
        let names = Names::new(&config.prefix);
        let settle_in = config.settle_in.clone();
        let core = Arc::new(Self {
            background: Background::start()?,
            topics: Topics::new(&config, names.clone())?,
            producer: Producer::new(config.producer(), config.asking())?,
            owners: Owners::default(),
            checkpoints: config.checkpoints.clone().map(Checkpoints::new),
            restored: Counts::default(),
            gaps: Gaps::default(),
            unfit: Unfit::default(),
            closed: Arc::default(),
            closing: AtomicBool::new(false),
            outbox_filled: Arc::default(),
            relay: Mutex::default(),
            outsiders: Mutex::default(),
            publishing: Mutex::default(),
            subscriptions: Mutex::default(),
            names,
            config,
        });
        if let Some(database) = settle_in {
            let relay = core.background.spawn(relay::run(Arc::downgrade(&core), database));
            *core.relay.lock().unwrap_or_else(PoisonError::into_inner) = Some(relay);
        }
        if let Some(checkpoints) = &core.checkpoints {
            checkpoints.start(Arc::downgrade(&core))?;
        }
        Ok(core)
    }

    /// A partition of a group has an owner here from now on.
    pub(super) fn has_begun(&self, group: &Group, partition: Partition) {
        if let Some(checkpoints) = &self.checkpoints
            && self.config.settle_in.is_none()
        {
            checkpoints.note((self.names.changelog(group), partition.0), Kind::Changelog);
        }
    }

    /// What lies on the broker and is kept in memory here: changelogs of partitions that are owned, tables that are followed.
    pub(super) fn kept(&self) -> BTreeMap<(TopicName, u32), Kind> {
        let tables = self.checkpoints.iter().flat_map(Checkpoints::followed);
        let mut kept: BTreeMap<_, _> = tables.map(|place| (place, Kind::Table)).collect();
        if self.config.settle_in.is_none() {
            let owned = self.owners.held().into_iter();
            kept.extend(
                owned
                    .map(|(group, partition)| ((self.names.changelog(&group), partition.0), Kind::Changelog)),
            );
        }
        kept
    }

    /// The client of a group that is no member of it; made on first use.
    pub(super) fn outsider(&self, group: &Group) -> Result<Arc<Outsider>, StoreError> {
        let mut outsiders = self.outsiders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = outsiders.get(group) {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(Outsider::committing(&self.config, &self.names.group(group))?);
        outsiders.insert(group.clone(), Arc::clone(&made));
        Ok(made)
    }

    /// Who commits for a partition of a group that nobody has joined. Exactly-once it fences whoever did before, in any
    /// process. Blocks.
    pub(super) fn committing(
        &self,
        group: &Group,
        partition: Partition,
    ) -> Result<Arc<Outsider>, StoreError> {
        if self.config.guarantee == Guarantee::AtLeastOnce {
            return self.outsider(group);
        }
        let tally = self.names.changelog(group);
        let publishing = self.publishing(group, partition, self.config.commit_interval, &tally)?;
        Ok(publishing.take_over()?.0)
    }

    /// Who makes transactions for a partition of a group that nobody has joined; made on first use.
    pub(super) fn publishing(
        &self,
        group: &Group,
        partition: Partition,
        interval: Duration,
        tally: &TopicName,
    ) -> Result<Arc<Publishing>, StoreError> {
        let mut all = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match all.entry((group.clone(), partition)) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(new) => {
                let made = Publishing::new(self, group, partition, interval, tally)?;
                Arc::clone(new.insert(Arc::new(made)))
            }
        })
    }

    /// Makes the topics that are not there, and waits until they can be used.
    pub(super) async fn make_topics(self: &Arc<Self>, wanted: Vec<Wanted>) -> Result<(), StoreError> {
        let names: Vec<TopicName> = wanted.iter().map(|wanted| wanted.topic.clone()).collect();
        // Whoever may not make topics may use those that there are.
        let (core, asked) = (Arc::clone(self), names);
        let look = move || asked.iter().try_for_each(|topic| core.topics.partitions(topic).map(drop));
        self.background.ask(look).await?;
        let made = self.topics.make(&wanted).await?;
        let core = Arc::clone(self);
        self.background.ask(move || core.topics.await_made(&made)).await
    }

    /// A changelog with partitions up to this one, where state and ledger of that owner go.
    pub(super) async fn changelog_for(
        self: &Arc<Self>,
        group: &Group,
        partition: u32,
        partitions: u32,
    ) -> Result<TopicName, StoreError> {
        let topic = self.names.changelog(group);
        for _ in 0..100 {
            if self.topics.known(&topic).is_some_and(|known| known > partition) {
                return Ok(topic);
            }
            let (core, asked) = (Arc::clone(self), topic.clone());
            match self.background.ask(move || core.topics.partitions_for(&asked, partition + 1)).await? {
                None => self.make_topics(vec![self.changelog(group, partitions.max(partition + 1))]).await?,
                Some(there) if there <= partition => {
                    self.topics.grow(&topic, partition + 1).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Some(_) => return Ok(topic),
            }
        }
        Err(super::failure::store_error(format!("topic {topic} doesn't get partition {partition}")))
    }

    pub(super) fn changelog(&self, group: &Group, partitions: u32) -> Wanted {
        let keep = Keep::Latest(CHANGELOG_LAG);
        Wanted { topic: self.names.changelog(group), partitions, keep, max_record: self.config.max_record }
    }

    pub(super) fn dead_letter_topic(&self, topic: &TopicName, partitions: u32) -> Wanted {
        let keep = Keep::For(DEAD_LETTERS_KEPT);
        let max_record = self.config.letter_limit();
        Wanted { topic: self.names.dead_letters(topic), partitions, keep, max_record }
    }

    pub(super) fn remember(&self, subscription: Weak<dyn Subscription>) {
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions.retain(|known| known.strong_count() > 0);
        subscriptions.push(subscription);
    }

    /// What waits in the outbox is published, if it is for us to do so and can be done soon.
    async fn end_relay(&self) {
        self.closing.store(true, Ordering::Release);
        self.outbox_filled.notify_one();
        let relay = self.relay.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut relay) = relay
            && tokio::time::timeout(LAST_RECORDS, &mut relay).await.is_err()
        {
            log::warn!("kafka: what waits in the outbox after {LAST_RECORDS:?} is published in another life");
            relay.abort();
        }
    }

    /// Checkpoints are brought up to date, if that can be done soon.
    async fn end_checkpoints(self: &Arc<Self>) {
        let core = Arc::clone(self);
        let ended = self.background.ask(move || {
            core.checkpoints.iter().for_each(Checkpoints::stop);
            Ok(())
        });
        if self.checkpoints.is_some()
            && let Err(error) = ended.await
        {
            log::warn!("kafka: closing: {error}");
        }
    }

    /// Leaves all groups, lets what was handed over become real, and stops.
    pub(super) async fn close(self: &Arc<Self>) {
        let subscriptions =
            std::mem::take(&mut *self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner));
        let closing = subscriptions.iter().filter_map(Weak::upgrade).map(|subscription| subscription.close());
        join_all(closing).await;
        let core = Arc::clone(self);
        if let Err(error) = self.background.spawn(async move { core.end_all().await }).await {
            log::warn!("kafka: closing: {error}");
        }
        self.background.stop().await;
    }

    /// Ends owners and clients. None of them waits longer for an answer than one takes from a broker that is there.
    async fn end_all(self: &Arc<Self>) {
        let patience = self.config.request_timeout;
        if tokio::time::timeout(patience, self.owners.end_all()).await.is_err() {
            log::warn!("kafka: closing: owners still have something under way after {patience:?}");
        }
        self.end_relay().await;
        self.end_checkpoints().await;
        self.closed.store(true, Ordering::Release);
        let outsiders = std::mem::take(&mut *self.outsiders.lock().unwrap_or_else(PoisonError::into_inner));
        let publishing = std::mem::take(&mut *self.publishing.lock().unwrap_or_else(PoisonError::into_inner));
        let left = self.background.ask(move || {
            drop((outsiders, publishing));
            Ok(())
        });
        match tokio::time::timeout(patience, left).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::warn!("kafka: closing: {error}"),
            Err(_) => log::warn!("kafka: closing: a commit is still under way after {patience:?}"),
        }
    }
}
