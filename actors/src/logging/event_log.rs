//! What each line of an event's way says of the event.

use std::sync::Arc;

use pandaflow::{Namespace, Offset, Partition, TopicName};
use slog::{KV, Key, Logger, Record, Serializer, o};
use uuid::Uuid;

/// The fields of a line on an event's way. Made only where there is something to say: no line is written for
/// each event at `info`.
///
/// ```
/// # use pandaflow::{Offset, Partition, TopicName};
/// # use pandaflow_actors::logging::{self, EventLog};
/// let event = EventLog {
///     processor: "risk-manager".into(),
///     namespace: "paper".parse().unwrap(),
///     correlation_id: Some(uuid::Uuid::nil()),
///     topic: TopicName::new("paper.signals.raw"),
///     partition: Partition(3),
///     offset: Offset(42),
/// };
/// slog::warn!(event.logger(&logging::logger()), "attempt failed"; "attempt" => 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLog {
    /// The processor that handles it.
    pub processor: Arc<str>,
    /// The namespace that the processor runs in.
    pub namespace: Namespace,
    /// The id of the chain that the event belongs to; `None` if the event can't be read.
    pub correlation_id: Option<Uuid>,
    /// The topic that it came from.
    pub topic: TopicName,
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
}

impl EventLog {
    /// A child of `parent` whose lines have these fields.
    pub fn logger(&self, parent: &Logger) -> Logger {
        parent.new(o!(self.clone()))
    }
}

impl KV for EventLog {
    fn serialize(&self, _record: &Record<'_>, to: &mut dyn Serializer) -> slog::Result {
        to.emit_str(Key::from("processor"), &self.processor)?;
        to.emit_str(Key::from("namespace"), self.namespace.as_str())?;
        if let Some(id) = self.correlation_id {
            to.emit_arguments(Key::from("correlation_id"), &format_args!("{id}"))?;
        }
        to.emit_str(Key::from("topic"), self.topic.as_str())?;
        to.emit_u32(Key::from("partition"), self.partition.0)?;
        to.emit_u64(Key::from("offset"), self.offset.0)
    }
}
