//! What a processor declares of itself: plain data that the derive writes and the runtime reads.

use std::time::Duration;

use crate::{
    ErrorClass, EventType,
    policy::retry::{Jitter, Multiplier},
};

/// The declaration of a processor, made by `#[derive(StreamProcessor)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The processor's name, part of its consumer group: `risk-manager`.
    pub name: &'static str,
    /// What it reads, one entry a topic.
    pub inputs: &'static [Input],
    /// Topics whose latest value per key it may look up.
    pub tables: &'static [Table],
    /// What it may emit.
    pub outputs: &'static [Output],
    /// The version of its state's schema, at least 1.
    pub state_version: u32,
    /// Which events wait for each other; by key unless declared otherwise.
    pub order: Order,
    /// How many attempts run at once in one process; 100 unless declared otherwise.
    pub concurrency: usize,
    /// How long one attempt may take; 30 s unless declared otherwise.
    pub timeout: Duration,
    /// Where the retries differ from the defaults of their class.
    pub retries: &'static [RetryRule],
    /// When it makes too many dead letters, where that differs from the settings.
    pub dead_letters: DeadLetterRule,
    /// Whether events are handled once per id; not unless declared.
    pub dedup: Option<Dedup>,
    /// How often effects may become real on a broker; as the settings say unless declared.
    pub guarantee: Option<Guarantee>,
    /// Whether its handlers take part in a transaction of a database, so that it can only start where settlements are made in
    /// one; not unless declared.
    pub transaction: bool,
}

impl Declaration {
    /// How many attempts run at once where nothing is declared.
    pub const DEFAULT_CONCURRENCY: usize = 100;
    /// How long an attempt may take where nothing is declared.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
}

/// One topic that a processor reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// The declared name of the topic.
    pub topic: &'static str,
    /// The event types that it takes from there.
    pub events: &'static [EventType],
}

/// One topic that a processor looks values up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// The declared name of the topic.
    pub topic: &'static str,
    /// The event type of its values.
    pub event: EventType,
}

/// One kind of event that a processor emits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// The declared name of the topic.
    pub topic: &'static str,
    /// The event type.
    pub event: EventType,
}

/// Which events are handled one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Those with the same key.
    #[default]
    Key,
    /// Those of the same partition.
    Partition,
    /// None.
    None,
}

crate::choice! {
    /// How often an event's effects become real, where events can come again after a crash.
    ///
    /// The memory and the embedded transport settle in one transaction: there each effect becomes real once,
    /// whatever is asked for.
    pub enum Guarantee {
        /// Once or more often, under the same ids: whoever reads them finds duplicates by those.
        AtLeastOnce = "at-least-once",
        /// Once, for whoever reads what is committed. Costs one interval between commits a step.
        ExactlyOnce = "exactly-once",
    }
}

/// A deviation from the retries that a class has otherwise, or from those of all classes that are retried. What is `None` stays
/// as it is; [`Backoff`](crate::policy::retry::Backoff) says what each field does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRule {
    /// The class; `None` is every class that is retried at all.
    pub class: Option<ErrorClass>,
    /// How many attempts in all, the first included.
    pub attempts: Option<u32>,
    /// The longest first wait.
    pub base: Option<Duration>,
    /// The longest wait.
    pub cap: Option<Duration>,
    /// By how much the longest wait grows from one attempt to the next.
    pub multiplier: Option<Multiplier>,
    /// How a wait is drawn from its range.
    pub jitter: Option<Jitter>,
    /// The longest wait that is spent in the lane.
    pub in_place: Option<Duration>,
    /// After how many failed attempts every further wait is parked; `u32::MAX` is never.
    pub park_after: Option<u32>,
    /// How long after the first failed attempt it is given up on; `Duration::MAX` is never.
    pub give_up_after: Option<Duration>,
}

impl RetryRule {
    /// The rule that changes nothing.
    pub const UNCHANGED: Self = Self {
        class: None,
        attempts: None,
        base: None,
        cap: None,
        multiplier: None,
        jitter: None,
        in_place: None,
        park_after: None,
        give_up_after: None,
    };
}

/// When a processor makes too many dead letters; see [`DeadLetterLimits`](crate::policy::dead_letter_budget::DeadLetterLimits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterRule {
    /// How many it may make on one partition without a success between them.
    pub in_a_row: Option<u32>,
    /// How many of the last 200 events of a partition may be dead letters, in percent.
    pub percent: Option<u32>,
}

impl DeadLetterRule {
    /// The rule that changes nothing.
    pub const UNCHANGED: Self = Self { in_a_row: None, percent: None };
}

/// Handling each event id once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dedup {
    /// How long an id is remembered; 24 h unless declared otherwise.
    pub ttl: Duration,
}

impl Dedup {
    /// How long an id is remembered where nothing is declared.
    pub const DEFAULT_TTL: Duration = Duration::from_secs(24 * 3600);
}
