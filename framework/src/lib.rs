//! What a stream processor is written against: events and their envelope, the processor contract, the ports of
//! a transport, and the pure policies of the runtime. No broker, no database, no actor in here.
//!
//! A processor is a struct with [`StreamProcessor`] derived and one [`Handle`] for each kind of event that it takes:
//!
//! ```
//! use pandaflow::{Classify, Context, Event, Handle, StreamProcessor};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event(type = "payment_made", version = 1, key = "{account}")]
//! struct PaymentMade { account: String, cents: i64 }
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event(type = "balance_changed", version = 1, key = "{account}")]
//! struct BalanceChanged { account: String, cents: i64 }
//!
//! #[derive(Default, Clone, Serialize, Deserialize)]
//! struct Balance { cents: i64 }
//!
//! #[derive(StreamProcessor)]
//! #[processor(
//!     name = "balances",
//!     input(topic = "payments.made", event = PaymentMade),
//!     output(topic = "balances.changed", event = BalanceChanged),
//!     state = Balance,
//! )]
//! struct Balances;
//!
//! impl Handle<PaymentMade> for Balances {
//!     type Error = std::convert::Infallible;
//!     async fn handle(&mut self, paid: Event<PaymentMade>, ctx: &mut Context<Self>) -> Result<(), Self::Error> {
//!         ctx.state_mut().cents += paid.cents;
//!         let cents = ctx.state().cents;
//!         ctx.emit(BalanceChanged { account: paid.account.clone(), cents });
//!         Ok(())
//!     }
//! }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

// The derives name this crate by its own name, also when it uses them itself.
#[allow(unused_extern_crates, reason = "only some features derive in here")]
extern crate self as pandaflow;

mod clock;
pub mod codec;
mod context;
mod dead_letter;
mod declaration;
mod derive;
mod envelope;
mod event;
mod event_id;
mod failure;
mod group;
pub mod headers;
mod namespace;
mod partitioner;
mod payload;
pub mod policy;
pub mod ports;
mod position;
pub mod processor;
mod record;
pub mod settings;
mod timestamp;
mod topic;
mod traceparent;
#[cfg(feature = "trading")]
pub mod trading;

pub use clock::{Clock, SystemClock};
pub use context::{Context, Effects, Scope, trace_headers};
pub use dead_letter::{DeadLetter, Origin, ReplayAdvice, Tries};
pub use declaration::{
    DeadLetterRule, Declaration, Dedup, Guarantee, Input, Order, Output, RetryRule, Table,
};
pub use envelope::{EventEnvelope, rfc3339};
pub use event::{Event, EventMeta, Tombstone};
pub use event_id::EventId;
pub use failure::{Classify, ErrorClass, Failure, FailureKind, Wait};
pub use group::Group;
pub use headers::{Header, Headers};
pub use namespace::{Namespace, NamespaceError};
pub use partitioner::partition_of;
pub use payload::{EventType, KeyText, Payload};
pub use position::{Epoch, Offset, Partition, Position};
pub use processor::{Emits, Handle, KeyState, LooksUp, Stateful, StreamProcessor};
pub use record::{Outgoing, Record};
pub use timestamp::Timestamp;
pub use topic::{TopicName, TopicSpec};
pub use traceparent::TraceParent;

pub use derive::{Classify, Event, StreamProcessor};
