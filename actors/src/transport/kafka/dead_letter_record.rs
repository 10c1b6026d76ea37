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
    record::{Outbound, add_headers, header, headers_size},
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

/// Bytes of a message or of one reason in its chain, where there is no room for more.
const SHORT: usize = 256;
/// Bytes that a record has beside key, value and headers, at most.
const OVERHEAD: usize = 1024;

/// What a dead letter is written without, where its topic doesn't take it whole. The event's own bytes stay in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shed {
    Nothing,
    /// What other tools read of the error; ours has it as well.
    Copies,
    /// Those, and the event's headers as they were: they stand in ours.
    Headers,
    /// All that, and the ends of the message and its chain.
    Details,
}

/// The record of a dead letter. It lies in the partition that the event came from, and is as small as its topic wants it, if it
/// can be.
pub(super) fn dead_letter_record(core: &Core, letter: &DeadLetter) -> Outbound {
    let topic = core.names.dead_letters(&letter.record.topic);
    let partitions = core.topics.known(&topic).unwrap_or(1).max(1);
    let name = core.names.topic(&topic);
    let limit =
        core.config.letter_limit().saturating_sub(OVERHEAD).min(core.unfit.below(&name).saturating_sub(1));
    Outbound {
        partition: Partition(letter.record.partition.0 % partitions),
        topic: name.into(),
        timestamp: SystemClock.now().0,
        key: letter.record.key.clone(),
        value: letter.record.value.clone(),
        headers: Some(fitting(letter, limit)),
    }
}

/// The headers with which the record has so many bytes at most, or those with which it has least.
fn fitting(letter: &DeadLetter, limit: usize) -> OwnedHeaders {
    let record = &letter.record;
    let own = record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len);
    let mut written = headers(letter, Shed::Nothing);
    for shed in [Shed::Copies, Shed::Headers, Shed::Details] {
        if own + headers_size(&written) <= limit {
            break;
        }
        written = headers(letter, shed);
    }
    written
}

fn headers(letter: &DeadLetter, shed: Shed) -> OwnedHeaders {
    let record = &letter.record;
    let own = if shed == Shed::Details { Stored::of(&shortened(letter)) } else { Stored::of(letter) };
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
    if shed == Shed::Nothing {
        add("kafka_dlt-exception-fqcn", letter.error_type.as_bytes());
        add("kafka_dlt-exception-message", letter.message.as_bytes());
        add("kafka_dlt-exception-stacktrace", letter.chain.join("\n").as_bytes());
    }
    if matches!(shed, Shed::Headers | Shed::Details) {
        return written;
    }
    // Those that can't be written here stand in ours.
    add_headers(written, record.headers.as_slice())
}

/// With the beginnings of its message and of the first reasons alone.
fn shortened(letter: &DeadLetter) -> DeadLetter {
    let short = |text: &str| text[..text.floor_char_boundary(SHORT)].to_owned();
    let chain = letter.chain.iter().take(3).map(|reason| short(reason)).collect();
    DeadLetter {
        message: short(&letter.message),
        error_type: short(&letter.error_type),
        chain,
        ..letter.clone()
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pandaflow::{FailureKind, Group, ReplayAdvice};

    use super::*;

    fn letter() -> DeadLetter {
        let text = |size: usize| "e".repeat(size);
        let header = Header { name: Bytes::from_static(b"h"), value: Some(text(3000).into()) };
        let record = Record {
            topic: TopicName::new("paper.in"),
            partition: Partition(1),
            offset: Offset(7),
            timestamp: Timestamp(1),
            key: Some(Bytes::from_static(b"k")),
            value: Some(text(1000).into()),
            headers: Headers::new(vec![header]),
        };
        DeadLetter {
            record,
            group: Group::from("g"),
            processor: "p".into(),
            namespace: "paper".parse().expect("it is a namespace"),
            event_id: None,
            class: ErrorClass::Poison,
            kind: FailureKind::Error,
            error_type: "shop::Error".into(),
            message: format!("é{}", text(9000)),
            chain: vec![text(9000); 5],
            fingerprint: "f".into(),
            attempts: 1,
            first_failed: Timestamp(1),
            last_failed: Timestamp(1),
            replay: ReplayAdvice { allowed: true, after: Duration::ZERO, count: 0 },
        }
    }

    fn stored(headers: &OwnedHeaders) -> Stored {
        use rdkafka::message::Headers as _;
        let own = headers.iter().find(|header| header.key == LETTER).and_then(|header| header.value);
        serde_json::from_slice(own.expect("it is there")).expect("it can be read")
    }

    /// Down to what it takes, and no further than it has to.
    #[test]
    fn a_letter_sheds_copies_first_and_its_event_never() {
        let letter = letter();
        let whole = 1001 + headers_size(&headers(&letter, Shed::Nothing));
        let mut before = usize::MAX;
        for shed in [Shed::Nothing, Shed::Copies, Shed::Headers, Shed::Details] {
            let size = 1001 + headers_size(&headers(&letter, shed));
            assert!(size < before, "{shed:?}");
            assert_eq!(1001 + headers_size(&fitting(&letter, size)), size, "{shed:?}");
            before = size;
        }
        assert_eq!(1001 + headers_size(&fitting(&letter, usize::MAX)), whole);
        let least = fitting(&letter, 0);
        assert!(1001 + headers_size(&least) < 8000, "{}", headers_size(&least));
        let (key, value) = (letter.record.key.clone(), letter.record.value.clone());
        let read = stored(&least).letter(key, value).expect("it is a letter");
        assert_eq!(read.record, letter.record);
        assert!(letter.message.starts_with(&read.message) && !read.message.is_empty());
    }
}
