//! The thread's work: one turn after the other, until it has left the group.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use pandaflow::{
    Guarantee, Partition, TopicName,
    ports::{Assignee, StoreError, SubscriptionRequest},
};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::sync::oneshot;

use super::{
    context::{Callbacks, MemberContext},
    drain::Revocation,
    notes::Notes,
    seat::{Channel, Seat, Trouble},
    silence::Silence,
};
use crate::transport::kafka::{
    commits::{DeskThread, Standing},
    core::Core,
    desk::NotCommitted,
    failure::{failed, store_error},
    transactions::Setup,
};

/// How long the thread sleeps at most: the group wants to hear of its members.
pub(super) const NAP: Duration = Duration::from_millis(100);
/// How often it is said that the thread turns.
pub(super) const BEAT_EVERY: Duration = Duration::from_secs(1);

/// The consumer, and what it calls back.
pub(super) struct Client {
    pub(super) consumer: Arc<BaseConsumer<MemberContext>>,
    pub(super) callbacks: Arc<Callbacks>,
    rung: Arc<AtomicBool>,
    pub(super) commits: DeskThread,
    pub(super) made: Instant,
}

/// How a client has failed for good.
pub(super) enum Broken {
    /// Another member with its static name has taken its place.
    Replaced(String),
    Failed(String),
}

impl Broken {
    fn of(code: RDKafkaErrorCode, why: String) -> Self {
        if code == RDKafkaErrorCode::FencedInstanceId { Self::Replaced(why) } else { Self::Failed(why) }
    }
}

/// A partition of a topic that is ours, with or without the others of its number.
pub(super) type Place = (Partition, usize);

pub(super) struct Work {
    pub(super) core: Arc<Core>,
    pub(super) request: SubscriptionRequest,
    /// The topics' names on the broker.
    pub(super) names: Vec<String>,
    pub(super) assignee: Arc<dyn Assignee>,
    pub(super) notes: Arc<Notes>,
    pub(super) client: Option<Client>,
    /// Partitions that are not complete: of some topic the number is missing.
    pub(super) loose: BTreeMap<Place, Channel>,
    pub(super) seats: BTreeMap<Partition, Seat>,
    pub(super) revocations: Vec<Revocation>,
    /// Who waits for a partition to be started over.
    pub(super) restarts: BTreeMap<Partition, oneshot::Sender<Result<(), StoreError>>>,
    /// Look-ups under way: each has the consumer.
    pub(super) looking: usize,
    /// Partitions whose look-up failed, and when to try again.
    pub(super) look_again: Vec<(Instant, Vec<(Partition, u64)>)>,
    pub(super) seat_numbers: u64,
    /// Set when everything is given back for good.
    pub(super) closing: bool,
    /// When to leave, whatever the group is about.
    pub(super) leave_by: Option<Instant>,
    /// When commits have had their time, once everything has been given back.
    pub(super) commits_end: Option<Instant>,
    /// The client has failed for good.
    pub(super) broken: Option<Broken>,
    /// How often in a row another has taken its static name.
    pub(super) replaced: u32,
    pub(super) silence: Silence,
    pub(super) backoff: Duration,
    beat_at: Instant,
    complained: Option<RDKafkaErrorCode>,
}

impl Work {
    pub(super) fn new(
        core: Arc<Core>,
        request: SubscriptionRequest,
        assignee: Arc<dyn Assignee>,
        notes: Arc<Notes>,
    ) -> Result<Self, StoreError> {
        let names = request.topics.iter().map(|topic| core.names.topic(topic)).collect();
        let mut work = Self {
            core,
            request,
            names,
            assignee,
            notes,
            client: None,
            loose: BTreeMap::new(),
            seats: BTreeMap::new(),
            revocations: Vec::new(),
            restarts: BTreeMap::new(),
            looking: 0,
            look_again: Vec::new(),
            seat_numbers: 0,
            closing: false,
            leave_by: None,
            commits_end: None,
            broken: None,
            replaced: 0,
            silence: Silence::default(),
            backoff: Duration::ZERO,
            beat_at: Instant::now(),
            complained: None,
        };
        work.client = Some(work.make_client()?);
        Ok(work)
    }

    pub(super) fn make_client(&self) -> Result<Client, StoreError> {
        let what = format!("joining group {}", self.request.group);
        let group = self.core.names.group(&self.request.group);
        let config: ClientConfig = self.core.config.member(&group, self.names.len());
        let callbacks = Arc::new(Callbacks::default());
        let context = MemberContext { callbacks: Arc::clone(&callbacks) };
        let mut consumer: BaseConsumer<MemberContext> =
            config.create_with_context(context).map_err(failed(&what))?;
        let rung = Arc::new(AtomicBool::new(true));
        let (bell, ringing) = (Arc::clone(&self.notes.bell), Arc::clone(&rung));
        consumer.set_nonempty_callback(move || {
            ringing.store(true, Ordering::Release);
            bell.ring();
        });
        let topics: Vec<&str> = self.names.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(failed(&what))?;
        let consumer = Arc::new(consumer);
        let (desk, committing) = (&self.notes.commits, Arc::clone(&consumer));
        let commits = match self.guarantee() {
            Guarantee::AtLeastOnce => DeskThread::committing(desk, committing, Standing::Member)?,
            Guarantee::ExactlyOnce => {
                Setup::member(&self.core, &self.request.group).start(desk, committing)?
            }
        };
        Ok(Client { consumer, callbacks, rung, commits, made: Instant::now() })
    }

    /// How often the effects of the owners become real. In a database it is one transaction anyway.
    pub(super) fn guarantee(&self) -> Guarantee {
        if self.core.config.settle_in.is_some() {
            return Guarantee::AtLeastOnce;
        }
        self.request.guarantee.unwrap_or(self.core.config.guarantee)
    }

    pub(super) fn run(mut self) {
        self.notes.bell.answer();
        loop {
            self.beat();
            let turned = catch_unwind(AssertUnwindSafe(|| self.turn()));
            let busy = turned.unwrap_or_else(|_| {
                self.broken = Some(Broken::Failed("the source panicked".into()));
                true
            });
            if let Some(why) = self.broken.take() {
                self.rebuild(&why);
            }
            if self.closing && self.has_given_all_back() && self.may_leave() && self.commits_are_over() {
                break;
            }
            if !busy {
                self.notes.bell.wait(NAP);
            }
        }
        self.leave();
        self.notes.commits.give_back(&NotCommitted::Fenced("the member has left its group".into()));
    }

    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        if now >= self.beat_at {
            self.beat_at = now + BEAT_EVERY;
            self.assignee.beat();
        }
    }

    /// Does what there is to do; whether there may be more.
    fn turn(&mut self) -> bool {
        while let Some(note) = self.notes.take() {
            self.read(note);
        }
        self.poll();
        self.end_drains();
        self.retry_look_ups();
        self.watch_silence();
        self.deliver()
    }

    /// Serves what the group and the broker say.
    fn poll(&mut self) {
        let Some(client) = &self.client else { return };
        let (consumer, callbacks) = (Arc::clone(&client.consumer), Arc::clone(&client.callbacks));
        client.rung.store(false, Ordering::Release);
        loop {
            let calls = callbacks.calls();
            match consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => self.came_astray(&message),
                Some(Err(error)) => self.complain(&error),
                None if callbacks.calls() == calls => break,
                None => {}
            }
            while let Some(decided) = callbacks.take() {
                self.take_decision(decided);
            }
        }
        if self.broken.is_none()
            && let Some((code, why)) = consumer.client().fatal_error()
        {
            self.broken = Some(Broken::of(code, format!("{code}: {why}")));
        }
    }

    /// Hands records over; whether more may be there.
    fn deliver(&mut self) -> bool {
        let (mut delivered, mut troubles) = (false, Vec::new());
        for seat in self.seats.values_mut() {
            let partition = seat.partition;
            if let Some(batch) = seat.next_batch(|input, trouble| troubles.push((partition, input, trouble)))
            {
                delivered = true;
                self.assignee.delivered(batch);
            }
        }
        for (partition, input, trouble) in troubles {
            match trouble {
                Trouble::Client(error) => self.complain(&error),
                Trouble::Back(offset) => self.went_back(partition, input, offset),
            }
        }
        delivered
    }

    pub(super) fn complain(&mut self, error: &KafkaError) {
        if let KafkaError::MessageConsumptionFatal(code) = error {
            self.broken = Some(Broken::of(*code, error.to_string()));
            return;
        }
        let code = error.rdkafka_error_code();
        let group = &self.request.group;
        match code {
            Some(
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed),
            ) if self.complained != Some(code) => {
                let message = format!("{group} may not read: {error}");
                self.assignee.failed(store_error(message));
            }
            // It may be a directory that is away for a minute, so it is no reason to end.
            Some(code @ (RDKafkaErrorCode::SaslAuthenticationFailed | RDKafkaErrorCode::Authentication))
                if self.complained != Some(code) =>
            {
                log::error!("kafka consumer of {group}: the broker refuses the credentials: {error}");
            }
            Some(code @ RDKafkaErrorCode::InconsistentGroupProtocol) if self.complained != Some(code) => {
                let message = format!(
                    "{group} has members that share partitions out in another way, such as those of a version with one \
                     input less: stop them all, then start ({error})"
                );
                self.assignee.failed(store_error(message));
            }
            // They come in bursts while a broker is away, and the client goes on by itself.
            _ if self.complained == code => log::debug!("kafka consumer of {group}: {error}"),
            _ => log::warn!("kafka consumer of {group}: {error}"),
        }
        self.complained = code;
    }

    /// The group has given us something: what was wrong is over.
    pub(super) fn is_well(&mut self) {
        self.backoff = Duration::ZERO;
        self.complained = None;
    }

    /// The input that is read from a topic of this name.
    pub(super) fn input_of(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    pub(super) fn topic(&self, input: usize) -> TopicName {
        self.request.topics[input].clone()
    }
}
