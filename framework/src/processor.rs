//! The processor contract: what a derived struct is to the runtime.

use std::future::Future;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Classify, Context, Declaration, ErrorClass, Event, EventId, EventType, Failure, FailureKind, Payload,
    Record, Tombstone,
    codec::{Decode, DecodeError, Encode},
};

/// A step of the pipeline. Derive it; write [`Handle`] for each input yourself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a stream processor",
    note = "add `#[derive(StreamProcessor)]` and `#[processor(name = \"..\", input(topic = \"..\", event = ..))]`"
)]
pub trait StreamProcessor: Sized + 'static {
    /// What is kept per key; `()` if nothing is.
    type State: KeyState;
    /// Inputs, outputs and options.
    const DECLARATION: Declaration;

    /// Decodes a record of the input with index `input` in the declaration, and handles it.
    fn attempt(
        &mut self,
        input: usize,
        record: &Record,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), Failure>>;

    /// The id of a record's event without decoding the rest, for dedup.
    fn peek_id(input: usize, record: &Record) -> Option<EventId>;
}

/// Handles events of one type.
///
/// The same event with the same state must have the same effects: a crash makes the runtime hand it over
/// again, and only equal effects get equal ids. Take times from `event.meta.ts`, randomness from the event's id.
#[diagnostic::on_unimplemented(
    message = "`{Self}` declares an input of `{E}` but doesn't handle it",
    label = "write `impl Handle<{E}> for {Self}`"
)]
pub trait Handle<E>: StreamProcessor {
    /// What can go wrong, with a class.
    type Error: Classify;

    /// Handles one event: changes state and emits events through `ctx`.
    ///
    /// # Errors
    /// An error throws away what was staged in `ctx`; its class decides whether there is another attempt.
    fn handle(
        &mut self,
        event: Event<E>,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), Self::Error>>;

    /// Handles a null payload; counts as filtered unless written.
    ///
    /// # Errors
    /// As [`Handle::handle`].
    fn tombstone(
        &mut self,
        tombstone: Tombstone,
        ctx: &mut Context<Self>,
    ) -> impl Future<Output = Result<(), Self::Error>> {
        let _ = tombstone;
        ctx.filter();
        async { Ok(()) }
    }
}

/// What may be kept per key: made by default, copied before an attempt, written as JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the state of a processor",
    note = "a state is `Default + Clone + Serialize + Deserialize`"
)]
pub trait KeyState: Default + Clone + Serialize + DeserializeOwned + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Default + Clone + Serialize + DeserializeOwned + 'static> KeyState for T {}

/// A processor that declared `state = ..`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` keeps no state",
    note = "add `state = YourState` to `#[processor(..)]`"
)]
pub trait Stateful: StreamProcessor {}

/// A processor that declared an output of `E`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` doesn't declare an output of `{E}`",
    note = "add `output(topic = \"..\", event = {E})` to `#[processor(..)]` of `{Self}`"
)]
pub trait Emits<E: Payload>: StreamProcessor {
    /// The index of the output in the declaration.
    const OUTPUT: usize;
    /// How it is written.
    type Format: Encode<E>;
}

/// [`Emits`] read from the event's side. A bound on the event makes the compiler find out what is emitted before it
/// asks whether it is declared, so that the error names the event.
pub trait EmittedBy<P: StreamProcessor>: Payload {
    /// The index of the output in the declaration.
    const OUTPUT: usize;
    /// How it is written.
    type Format: Encode<Self>;
}

impl<P: Emits<E>, E: Payload> EmittedBy<P> for E {
    const OUTPUT: usize = <P as Emits<E>>::OUTPUT;
    type Format = <P as Emits<E>>::Format;
}

/// A processor that declared the topic with index `INPUT` and takes `E` from there. Derived; what an input asks
/// of its event, its handler and its format stands in one place, so that what is missing is told once.
pub trait Takes<E, const INPUT: usize>: Handle<E> {
    /// `E`.
    type Event: Payload;
    /// How it is read.
    type Format: Decode<E>;
}

/// A processor that declared a table of `E`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` doesn't declare a table of `{E}`",
    note = "add `table(topic = \"..\", event = {E})` to `#[processor(..)]` of `{Self}`"
)]
pub trait LooksUp<E: Payload>: StreamProcessor {
    /// The index of the table in the declaration.
    const TABLE: usize;
    /// How its values are read.
    type Format: Decode<E>;
}

/// Decodes a record as `E` in format `F` and hands it to the processor. Called by code that was not derived.
///
/// # Errors
/// The bytes don't fit, or the handler failed.
pub async fn attempt<P, E, F>(processor: &mut P, record: &Record, ctx: &mut Context<P>) -> Result<(), Failure>
where
    P: Handle<E>,
    E: Payload,
    F: Decode<E>,
{
    handle::<P, E, F>(E::TYPE, processor, record, ctx).await
}

async fn handle<P, E, F>(
    event_type: EventType,
    processor: &mut P,
    record: &Record,
    ctx: &mut Context<P>,
) -> Result<(), Failure>
where
    P: Handle<E>,
    F: Decode<E>,
{
    let outcome = match &record.value {
        Some(value) => {
            let event = F::decode(record, value)?;
            ctx.begin(event_type, &event.meta);
            processor.handle(event, ctx).await
        }
        None => {
            ctx.begin_tombstone(record);
            let tombstone = Tombstone {
                key: record.key.clone(),
                position: record.position(),
                timestamp: record.timestamp,
            };
            processor.tombstone(tombstone, ctx).await
        }
    };
    outcome.map_err(|error| Failure::of(&error))?;
    ctx.end_transaction().await.map_err(|error| Failure::of(&error))
}

/// [`attempt`] at an event of a declared input. Called by derived code.
///
/// # Errors
/// As [`attempt`].
pub async fn take<P, E, const INPUT: usize>(
    processor: &mut P,
    record: &Record,
    ctx: &mut Context<P>,
) -> Result<(), Failure>
where
    P: Takes<E, INPUT>,
{
    handle::<P, E, P::Format>(<P::Event as Payload>::TYPE, processor, record, ctx).await
}

/// The type of an event of a declared input. Called by derived code.
#[must_use]
pub const fn event_type<P: Takes<E, INPUT>, E, const INPUT: usize>() -> EventType {
    <P::Event as Payload>::TYPE
}

/// The id of an event of a declared input, without decoding the rest. Called by derived code.
#[must_use]
pub fn peek_id<P: Takes<E, INPUT>, E, const INPUT: usize>(record: &Record) -> Option<EventId> {
    P::Format::peek_id(record)
}

/// Which of `types` the record's envelope holds, for a topic with several event types. Called by derived code.
/// A tombstone, which has no type, goes to the first.
///
/// # Errors
/// None of them, or no envelope at all.
pub fn event_type_of(record: &Record, types: &[EventType]) -> Result<usize, Failure> {
    #[derive(serde::Deserialize)]
    struct Type<'a> {
        #[serde(rename = "type", borrow)]
        event_type: std::borrow::Cow<'a, str>,
    }
    let Some(value) = &record.value else { return Ok(0) };
    let mut reader = serde_json::Deserializer::from_slice(value);
    let found: Type<'_> =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| DecodeError::json(&error))?;
    types.iter().position(|event_type| event_type.as_str() == found.event_type).ok_or_else(|| {
        let known: Vec<_> = types.iter().map(|known| known.as_str()).collect();
        let found: String = found.event_type.chars().take(64).collect();
        DecodeError::Other(format!("type: found {found:?}, this input takes {}", known.join(", "))).into()
    })
}

/// The failure of an attempt at an input that isn't declared; a fault of the runtime. Called by derived code.
#[must_use]
pub fn no_such_input(input: usize) -> Failure {
    let message = format!("there is no input {input} in the declaration");
    Failure::new(FailureKind::Undecodable, ErrorClass::Poison, "pandaflow::processor", message)
}

/// Whether no two of `types` have the same name. Checked by derived code for the events of one topic.
#[must_use]
pub const fn are_distinct(types: &[EventType]) -> bool {
    let mut one = 0;
    while one < types.len() {
        let mut other = one + 1;
        while other < types.len() {
            if types[one].is(types[other]) {
                return false;
            }
            other += 1;
        }
        one += 1;
    }
    true
}
