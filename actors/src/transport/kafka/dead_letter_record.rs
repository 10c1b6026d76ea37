//! Dead letters as records of `{topic}.dlq`: key and value as they were, and beside them in headers what happened; once as
//! Spring for Apache Kafka names it, for other tools, and once whole, for us.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use pandaflow::{
    Clock, DeadLetter, ErrorClass, Header, Headers, Offset, Partition, Record, SystemClock, Timestamp,
    TopicName,
};
use rdkafka::message::{BorrowedMessage, Header as Written, Message, OwnedHeaders};
use serde::{Deserialize, Serialize};

use super::{
    super::dead_letter_form::Detail,
    core::Core,
    record::{Outbound, add_headers, header},
};

/// The header that has all of a dead letter but its key and value.
const LETTER: &str = "pandaflow-dead-letter";

/// The stored form, JSON; its version is the detail's.
#[derive(Serialize, Deserialize)]
struct Stored {
    topic: String,
    partition: Partition,
    offset: Offset,
    timestamp: Timestamp,
    /// Names and values in base64: neither need be text.
    headers: Vec<(String, Option<String>)>,
    group: String,
    processor: String,
    namespace: String,
    class: ErrorClass,
    #[serde(flatten)]
    detail: Detail,
}

/// The record of a dead letter. It lies in the partition that the event came from.
pub(super) fn dead_letter_record(core: &Core, letter: &DeadLetter) -> Outbound {
    let topic = core.names.dead_letters(&letter.record.topic);
    let partitions = core.topics.known(&topic).unwrap_or(1).max(1);
    Outbound {
        topic: core.names.topic(&topic),
        partition: Partition(letter.record.partition.0 % partitions),
        timestamp: SystemClock.now().0,
        key: letter.record.key.clone(),
        value: letter.record.value.clone(),
        headers: Some(headers(letter)),
    }
}

fn headers(letter: &DeadLetter) -> OwnedHeaders {
    let record = &letter.record;
    let own = Stored::of(letter);
    let own = serde_json::to_vec(&own).unwrap_or_default();
    let mut written = OwnedHeaders::new();
    let mut add = |key: &str, value: &[u8]| {
        let headers = std::mem::take(&mut written);
        written = headers.insert(Written { key, value: Some(value) });
    };
    add(LETTER, &own);
    add("kafka_dlt-original-topic", record.topic.as_bytes());
    add("kafka_dlt-original-partition", &i32::try_from(record.partition.0).unwrap_or(i32::MAX).to_be_bytes());
    add("kafka_dlt-original-offset", &i64::try_from(record.offset.0).unwrap_or(i64::MAX).to_be_bytes());
    add("kafka_dlt-original-timestamp", &record.timestamp.0.to_be_bytes());
    add("kafka_dlt-original-timestamp-type", b"CreateTime");
    add("kafka_dlt-original-consumer-group", letter.group.as_str().as_bytes());
    add("kafka_dlt-exception-fqcn", letter.error_type.as_bytes());
    add("kafka_dlt-exception-message", letter.message.as_bytes());
    add("kafka_dlt-exception-stacktrace", letter.chain.join("\n").as_bytes());
    // Those that can't be written here stand in ours.
    add_headers(written, record.headers.as_slice())
}

/// Reads a dead letter; `None` if the record is none of ours.
pub(super) fn read_dead_letter(message: &BorrowedMessage<'_>) -> Option<DeadLetter> {
    let stored: Stored = serde_json::from_slice(header(message, LETTER)?).ok()?;
    stored.letter(message.key().map(Bytes::copy_from_slice), message.payload().map(Bytes::copy_from_slice))
}

impl Stored {
    fn of(letter: &DeadLetter) -> Self {
        let record = &letter.record;
        let header = |header: &Header| {
            (STANDARD.encode(&header.name), header.value.as_ref().map(|value| STANDARD.encode(value)))
        };
        Self {
            topic: record.topic.as_str().into(),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            headers: record.headers.as_slice().iter().map(header).collect(),
            group: letter.group.as_str().into(),
            processor: letter.processor.clone(),
            namespace: letter.namespace.to_string(),
            class: letter.class,
            detail: Detail::of(letter),
        }
    }

    fn letter(self, key: Option<Bytes>, value: Option<Bytes>) -> Option<DeadLetter> {
        let decode = |text: &str| STANDARD.decode(text).ok().map(Bytes::from);
        let header = |(name, value): &(String, Option<String>)| {
            let value = match value {
                Some(value) => Some(decode(value)?),
                None => None,
            };
            Some(Header { name: decode(name)?, value })
        };
        let record = Record {
            topic: TopicName::new(&self.topic),
            partition: self.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key,
            value,
            headers: Headers::new(self.headers.iter().map(header).collect::<Option<_>>()?),
        };
        self.detail.letter(record, &self.group, self.processor, &self.namespace, self.class).ok()
    }
}
