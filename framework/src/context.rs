//! The context of one attempt: what a handler may look at, and where its effects are staged.

use std::rc::Rc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{
    EventId, EventMeta, EventType, Failure, Group, Header, Headers, LooksUp, Namespace, Outgoing, Payload,
    Record, Stateful, StreamProcessor, Timestamp, TopicName, TraceParent,
    codec::{Decode, DecodeError, Encode, EncodeError},
    headers,
    ports::{TableView, Transaction, TransactionError, Transactions},
    processor::EmittedBy,
};

/// What all attempts of one processor in one namespace share.
pub struct Scope {
    /// The namespace that the processor runs in.
    pub namespace: Namespace,
    /// The processor's consumer group.
    pub group: Group,
    /// The full topic names of its outputs, in the order of the declaration.
    pub outputs: Vec<TopicName>,
    /// Its tables, in the order of the declaration.
    pub tables: Vec<std::sync::Arc<dyn TableView>>,
    /// Begins the transactions that its handlers take part in, where there are some.
    pub transactions: Option<std::sync::Arc<dyn Transactions>>,
}

const NO_TRANSACTIONS: TransactionError = TransactionError::Unsupported(
    "settlements are made in a database with --mode kafka, DATABASE__URL=postgres://.. and DATABASE__SETTLEMENT=database",
);

/// One attempt: handed to the handler, kept by the runtime if the attempt succeeds, thrown away if it fails.
pub struct Context<P: StreamProcessor> {
    scope: Rc<Scope>,
    key: Option<Bytes>,
    attempt: u32,
    cause: Cause,
    event_type: &'static str,
    before: Rc<P::State>,
    changed: Option<P::State>,
    outputs: Vec<Outgoing>,
    filtered: bool,
    /// In a box: it is large, and there seldom is one.
    broken: Option<Box<Failure>>,
    transaction: Option<Box<dyn Transaction>>,
}

/// What is passed on from an event to those that it causes.
#[derive(Clone)]
struct Cause {
    id: EventId,
    correlation_id: EventId,
    ts: DateTime<Utc>,
    trace: Option<TraceParent>,
}

/// What a successful attempt leaves behind.
pub struct Effects<S> {
    /// The key's new state, if it changed.
    pub state: Option<S>,
    /// What it emitted, in order.
    pub outputs: Vec<Outgoing>,
    /// Whether the handler passed the event over.
    pub filtered: bool,
    /// The transaction that it took part in, to be committed with all of the above.
    pub transaction: Option<Box<dyn Transaction>>,
}

impl<P: StreamProcessor> Context<P> {
    /// The context of the attempt with number `attempt` (from 1) at a record, with the state that its key has now.
    #[must_use]
    pub fn new(scope: Rc<Scope>, record: &Record, attempt: u32, state: Rc<P::State>) -> Self {
        let nil = EventId(uuid::Uuid::nil());
        Self {
            scope,
            key: record.key.clone(),
            attempt,
            cause: Cause { id: nil, correlation_id: nil, ts: DateTime::UNIX_EPOCH, trace: None },
            event_type: "unknown",
            before: state,
            changed: None,
            outputs: Vec::new(),
            filtered: false,
            broken: None,
            transaction: None,
        }
    }

    pub(crate) fn begin(&mut self, event_type: EventType, meta: &EventMeta) {
        self.event_type = event_type.as_str();
        self.cause =
            Cause { id: meta.id, correlation_id: meta.correlation_id, ts: meta.ts, trace: meta.trace };
    }

    pub(crate) fn begin_tombstone(&mut self, record: &Record) {
        let id = EventId::of_position(&record.position(), record.timestamp);
        self.cause = Cause { id, correlation_id: id, ts: record.timestamp.to_utc(), trace: None };
    }

    /// Emits an event: it appears on its topic if this attempt succeeds, and not otherwise.
    ///
    /// Its id is derived from the event at hand, its correlation, causation, time and trace are taken from it.
    pub fn emit<E: EmittedBy<P>>(&mut self, event: E) {
        if let Err(error) = self.stage(&event)
            && self.broken.is_none()
        {
            self.broken = Some(Box::new(error.into()));
        }
    }

    fn stage<E: EmittedBy<P>>(&mut self, event: &E) -> Result<(), EncodeError> {
        let key = event.key();
        if key.trim().is_empty() {
            return Err(EncodeError { event_type: E::TYPE.as_str(), reason: "its key is empty".into() });
        }
        let ordinal = u32::try_from(self.outputs.len()).unwrap_or(u32::MAX);
        let timestamp = Timestamp::from(self.cause.ts);
        let id = EventId::derived(self.cause.id, self.scope.group.as_str(), ordinal, timestamp);
        let trace = self.trace_of(id);
        let meta = EventMeta {
            id,
            correlation_id: self.cause.correlation_id,
            causation_id: Some(self.cause.id),
            broker: Some(self.scope.namespace.as_str().into()),
            key: key.as_ref().into(),
            source: P::DECLARATION.name.into(),
            version: E::VERSION,
            ts: self.cause.ts,
            trace: Some(trace),
        };
        let value = E::Format::encode(&meta, event)?;
        self.outputs.push(Outgoing {
            topic: self.scope.outputs[E::OUTPUT].clone(),
            timestamp,
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value: Some(value),
            headers: trace_headers(trace),
        });
        Ok(())
    }

    /// The trace goes on under a span of the emitted event's own; a chain without one gets that of its correlation id.
    fn trace_of(&self, id: EventId) -> TraceParent {
        let span = u64::try_from(id.0.as_u128() & u128::from(u64::MAX)).unwrap_or(1);
        TraceParent {
            trace_id: self.cause.trace.map_or(self.cause.correlation_id.0.as_u128(), |trace| trace.trace_id),
            span_id: span.max(1),
            flags: self.cause.trace.map_or(0, |trace| trace.flags),
        }
    }

    /// Passes the event over: it counts as filtered, and what was staged is thrown away.
    pub fn filter(&mut self) {
        self.filtered = true;
    }

    /// The state of the event's key; the default one if the key has none.
    #[must_use]
    pub fn state(&self) -> &P::State
    where
        P: Stateful,
    {
        self.changed.as_ref().unwrap_or(&self.before)
    }

    /// The state of the event's key, to be changed. The change is kept if this attempt succeeds, and not otherwise.
    ///
    /// A state that is made the default one again is removed from the store.
    pub fn state_mut(&mut self) -> &mut P::State
    where
        P: Stateful,
    {
        self.changed.get_or_insert_with(|| P::State::clone(&self.before))
    }

    /// The latest event under `key` in a table; `None` if there is none (yet).
    ///
    /// # Errors
    /// [`DecodeError`] if what lies there isn't an `E`.
    pub fn look_up<E: Payload>(&self, key: &str) -> Result<Option<crate::Event<E>>, DecodeError>
    where
        P: LooksUp<E>,
    {
        let table = &self.scope.tables[<P as LooksUp<E>>::TABLE];
        match table.latest(key.as_bytes()) {
            Some(record) => match &record.value {
                Some(value) => <P as LooksUp<E>>::Format::decode(&record, value).map(Some),
                None => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// The transaction of this attempt, begun at the first call. Its transport knows what it is: a handler asks for it by the
    /// transport's own trait, such as `InTransaction` of PostgreSQL.
    ///
    /// # Errors
    /// There are none where the processor runs, or the database can't be reached.
    pub async fn open_transaction(&mut self) -> Result<&mut dyn Transaction, TransactionError> {
        if self.transaction.is_none() {
            let transactions = self.scope.transactions.as_ref().ok_or(NO_TRANSACTIONS)?;
            self.transaction = Some(transactions.begin(P::DECLARATION.timeout).await?);
        }
        self.transaction.as_deref_mut().ok_or(NO_TRANSACTIONS)
    }

    /// The handler has ended well: so must its transaction be able to.
    pub(crate) async fn end_transaction(&mut self) -> Result<(), TransactionError> {
        match self.transaction.as_mut().filter(|_| !self.filtered) {
            Some(transaction) => transaction.end_of_attempt().await,
            None => Ok(()),
        }
    }

    /// The event's key as bytes; `None` if its record has none.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// The event's own time. There is no other clock for a handler: a re-run must do the same.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.cause.ts
    }

    /// The id of the event at hand.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        self.cause.id
    }

    /// The id of the event's chain.
    #[must_use]
    pub fn correlation_id(&self) -> EventId {
        self.cause.correlation_id
    }

    /// Which attempt at this event this is, from 1. For logs; effects must not depend on it.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The namespace that the processor runs in.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.scope.namespace
    }

    /// The type of the event at hand; `unknown` until it is decoded. For metrics.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.event_type
    }

    /// Ends a successful attempt: what it staged. Called by the runtime.
    ///
    /// # Errors
    /// Something that it emitted could not be written.
    pub fn finish(self) -> Result<Effects<P::State>, Failure> {
        match self.broken {
            Some(failure) => Err(*failure),
            None if self.filtered => {
                Ok(Effects { state: None, outputs: Vec::new(), filtered: true, transaction: None })
            }
            None => Ok(Effects {
                state: self.changed,
                outputs: self.outputs,
                filtered: false,
                transaction: self.transaction,
            }),
        }
    }
}

/// The headers that carry a trace.
#[must_use]
pub fn trace_headers(trace: TraceParent) -> Headers {
    let parent = Bytes::copy_from_slice(&trace.to_text());
    let id = parent.slice(TraceParent::ID);
    let header =
        |name: &'static str, value| Header { name: Bytes::from_static(name.as_bytes()), value: Some(value) };
    Headers::from([header(headers::TRACEPARENT, parent), header(headers::TRACE_ID, id)])
}
