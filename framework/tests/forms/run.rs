//! Runs one attempt of a processor at a record.

use std::rc::Rc;

use futures_util::FutureExt;
use pandaflow::{
    Context, Effects, EventId, Failure, Group, Headers, Namespace, Offset, Outgoing, Partition, Payload,
    Record, Scope, StreamProcessor, Timestamp, TopicName,
};
use serde::Serialize;

/// An event in its envelope, as a record.
pub(crate) fn enveloped<E: Payload + Serialize>(event: &E) -> Record {
    let (id, topic) = (EventId(uuid::Uuid::from_u128(7)), TopicName::new("paper.in"));
    let out = Outgoing::root(topic, id, Timestamp(1_000), "test", event).unwrap();
    Record { key: out.key, value: out.value, ..raw(b"") }
}

/// A record with these bytes.
pub(crate) fn raw(value: &[u8]) -> Record {
    Record {
        topic: TopicName::new("paper.in"),
        partition: Partition(0),
        offset: Offset(0),
        timestamp: Timestamp(1_000),
        key: Some("a".into()),
        value: Some(value.to_vec().into()),
        headers: Headers::default(),
    }
}

/// What an attempt at a record of input `input` leaves behind.
pub(crate) fn attempt<P: StreamProcessor>(
    processor: &mut P,
    input: usize,
    record: &Record,
) -> Result<Effects<P::State>, Failure> {
    let namespace: Namespace = "paper".parse().unwrap();
    let outputs = P::DECLARATION.outputs;
    let scope = Scope {
        group: Group::new("test", &namespace, P::DECLARATION.name),
        outputs: outputs.iter().map(|output| TopicName::resolve(output.topic, &namespace, &[])).collect(),
        tables: Vec::new(),
        transactions: None,
        namespace,
    };
    let mut ctx = Context::<P>::new(Rc::new(scope), record, 1, Rc::default());
    processor.attempt(input, record, &mut ctx).now_or_never().expect("no handler here waits")?;
    ctx.finish()
}
