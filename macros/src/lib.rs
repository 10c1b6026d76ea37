//! The derives of pandaflow. Each one reads the options (`attr`) into what was written (`ast`), checks it into a
//! plan (`valid`), and writes the plan out (`expand`). Where something is wrong, a `fallback` stands in for what
//! could not be written, so that one mistake gives one error.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod class;
mod classify;
mod duration;
mod event;
mod generics;
mod mistakes;
mod names;
mod options;
mod stream_processor;
mod values;

/// Makes a struct a stream processor, from what `#[processor(..)]` declares. Each input's event wants a
/// `Handle<Event>` beside it.
///
/// | option | | default |
/// | --- | --- | --- |
/// | `name = "risk-manager"` | the name, part of the consumer group: lower-case letters, digits and `-`, a letter first | required |
/// | `input(topic = "signals.raw", event = Signal)` | what is read; as often as you like, at least once. Several events of one topic are told apart by their envelopes | required |
/// | `table(topic = "market.ticks", event = Tick)` | a topic whose latest value per key `ctx.look_up` finds; one for each event | none |
/// | `output(topic = "signals.validated", event = Validated)` | what `ctx.emit` may emit; one for each event | none |
/// | `state = Account` | what is kept per key: `Default + Clone + Serialize + Deserialize` | none |
/// | `state_version = 2` | the version of the state's schema, from 1 | 1 |
/// | `order = "key"` | which events wait for each other: those with the same `"key"`, of the same `"partition"`, or `"none"` (not with a state) | `"key"` |
/// | `concurrency = 100` | how many attempts run at once in one process: 1 to 100000 | 100 |
/// | `timeout = "30s"` | how long one attempt may take | `"30s"` |
/// | `retry(attempts = 5, backoff = "100ms..10s")` | attempts in all, and the first wait and the longest; either may be left out. For every class that is retried at all | those of each class |
/// | `retry(class = "rate_limit", attempts = 8)` | the same for one class, over the one for all; one for each class | |
/// | `retry(.., multiplier = 3)` | by how much the longest wait grows from one attempt to the next: 1 to 100, with three decimals at most | 2 |
/// | `retry(.., jitter = "none")` | how a wait is drawn: `"full"` is evenly from zero to the longest, `"none"` is the longest | `"full"` |
/// | `retry(.., in_place = "1s")` | the longest wait that is spent in the lane; a longer one parks the key | `"1s"` |
/// | `retry(.., park_after = 3)` | after so many failed attempts every further wait is parked, from 1 | only long waits are |
/// | `retry(.., give_up_after = "1h")` | so long after the first failed attempt it is given up on, whatever attempts are left | only attempts count |
/// | `dead_letters(in_a_row = 1000, percent = 80)` | how many dead letters without a success between them, and how many of the last 200 events, are one too many: then it takes no more events; either may be left out | `RUNTIME__DEAD_LETTERS_..` |
/// | `dedup`, `dedup(ttl = "24h")` | each event id is handled once, and remembered as long | no dedup; `"24h"` |
/// | `guarantee = "exactly-once"` | how often effects may become real on Kafka: `"at-least-once"` or `"exactly-once"`; elsewhere each becomes real once anyway | `KAFKA__GUARANTEE` |
/// | `transaction` | handlers call `ctx.transaction()`: the program starts only where settlements are made in a database | it starts anywhere, and the call fails elsewhere |
///
/// Topics are segments of lower-case letters, digits, `-` and `_` with `.` between them, without the namespace.
/// `input`, `table` and `output` take `format = "envelope"` (the default), `"json"`, `"bytes"` (for `Blob`), or the
/// path of a codec without quotes. Durations are an integer and `ms`, `s`, `m`, `h` or `d`.
///
/// A generic struct is taken if its type parameters are `'static`; an enum, a union and a lifetime are refused.
#[proc_macro_derive(StreamProcessor, attributes(processor))]
pub fn stream_processor(input: TokenStream) -> TokenStream {
    stream_processor::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a type an event: implements `Payload`, from what `#[event(..)]` declares.
///
/// | option | | default |
/// | --- | --- | --- |
/// | `type = "trading_signal"` | the event type that the envelope names: lower-case letters, digits and `_` | required |
/// | `version = 1` | the newest schema version that the type reads and the one that it writes, from 1 | 1 |
/// | `key = "{strategy}:{token}"` | the partition key: text with at least one field, which is `Display`. `{0}` in a tuple struct, `{{` and `}}` for braces. A key that is one `String` is borrowed | one of the three |
/// | `key = account` | the partition key is this field (or number), borrowed: anything that is `AsRef<str>` | |
/// | `key_with = Self::key_of` | the partition key is what this function of `&Self` returns: a `String`, a `&str` or a `Cow<str>`. The one form for an enum | |
///
/// A generic type is taken if its type parameters are `'static`; a union and a lifetime are refused.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(input: TokenStream) -> TokenStream {
    event::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Gives an error its class, which says what to do about it: `#[class(..)]` on a struct, on each variant of an enum,
/// or on the enum for the variants that have none.
///
/// | form | |
/// | --- | --- |
/// | `#[class(transient)]` | the class: `transient`, `infrastructure`, `rate_limit`, `business`, `authentication` or `poison` |
/// | `#[class(rate_limit, retry_after = wait)]` | with the field (or number) that says how long to wait, a `Duration` or an `Option<Duration>` |
/// | `#[class(source)]` | class and wait are those of the source: the field with `#[source]` or `#[from]`, the one called `source`, or the only one; it is `Classify` itself, or a `Box` of one |
#[proc_macro_derive(Classify, attributes(class))]
pub fn classify(input: TokenStream) -> TokenStream {
    classify::derive(&parse_macro_input!(input as DeriveInput)).into()
}
