//! Records as the broker has them, and as ours.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use pandaflow::{Clock, Header, Headers, Offset, Partition, Record, SystemClock, Timestamp, TopicName};
use rdkafka::message::{
    BorrowedHeaders, BorrowedMessage, Header as Written, Headers as _, Message, OwnedHeaders,
    Timestamp as Brokers,
};

/// The header that carries an event's time where the broker would take offence at it.
const TIMESTAMP: &[u8] = b"pandaflow-timestamp";
/// What a header is called whose name can't be read.
const UNREADABLE: &[u8] = b"pandaflow-unreadable-header";
/// How far an event's time may lie from now to be the record's. A broker throws records away by their age, and refuses
/// those from too far ahead.
const NEAR: Duration = Duration::from_secs(3600);

/// Where the bytes of records are copied to, many into one piece of memory: each record on its own would cost two
/// allocations, to be freed by another thread. A piece is free again once all records in it are gone, so that a record that
/// stays for long holds on to [`PIECE`] at most.
#[derive(Default)]
pub(super) struct Copies(BytesMut);

/// Bytes of a piece of memory. Anything longer than a quarter has one of its own.
const PIECE: usize = 32 << 10;

impl Copies {
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > PIECE / 4 {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(PIECE);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

/// Copies a message, its key and its value by `copy`.
pub(super) fn record_of(
    topic: &TopicName,
    message: &BorrowedMessage<'_>,
    mut copy: impl FnMut(&[u8]) -> Bytes,
) -> Record {
    let mut timestamp = match message.timestamp() {
        Brokers::CreateTime(millis) | Brokers::LogAppendTime(millis) => Timestamp(millis),
        Brokers::NotAvailable => Timestamp(0),
    };
    let headers = message.headers().map(|headers| read_headers(headers, &mut timestamp)).unwrap_or_default();
    Record {
        topic: topic.clone(),
        partition: Partition(u32::try_from(message.partition()).unwrap_or(0)),
        offset: Offset(u64::try_from(message.offset()).unwrap_or(0)),
        timestamp,
        key: message.key().map(&mut copy),
        value: message.payload().map(copy),
        headers,
    }
}

/// Copies headers; an event's own time is taken out of them.
fn read_headers(headers: &BorrowedHeaders, timestamp: &mut Timestamp) -> Headers {
    let mut read = Vec::with_capacity(headers.count());
    for place in 0..headers.count() {
        // A name that is not UTF-8 panics in there, and its bytes can't be had.
        let header = catch_unwind(AssertUnwindSafe(|| match headers.try_get(place) {
            Some(Written { key, value }) => Header {
                name: Bytes::copy_from_slice(key.as_bytes()),
                value: value.map(Bytes::copy_from_slice),
            },
            None => Header { name: Bytes::from_static(UNREADABLE), value: None },
        }));
        match header {
            Ok(Header { name, value: Some(value) }) if name == TIMESTAMP => match eight_bytes(&value) {
                Some(millis) => *timestamp = Timestamp(millis),
                None => read.push(Header { name, value: Some(value) }),
            },
            Ok(header) => read.push(header),
            Err(_) => read.push(Header { name: Bytes::from_static(UNREADABLE), value: None }),
        }
    }
    Headers::new(read)
}

fn eight_bytes(value: &[u8]) -> Option<i64> {
    value.try_into().ok().map(i64::from_be_bytes)
}

/// The value of a header, if its name can be read.
pub(super) fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a [u8]> {
    let headers = message.headers()?;
    (0..headers.count()).find_map(|place| {
        let header = catch_unwind(AssertUnwindSafe(|| headers.try_get(place))).ok().flatten()?;
        header.value.filter(|_| header.key == name)
    })
}

/// A record on its way to the broker.
#[derive(Clone)]
pub(super) struct Outbound {
    /// The name on the broker.
    pub(super) topic: Arc<str>,
    pub(super) partition: Partition,
    pub(super) timestamp: i64,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Option<OwnedHeaders>,
}

impl Outbound {
    /// Bytes of key, value and headers.
    pub(super) fn size(&self) -> usize {
        let headers = self.headers.as_ref().map_or(0, headers_size);
        let field = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        field(&self.key) + field(&self.value) + headers
    }
}

/// Bytes of the names and values of headers.
pub(super) fn headers_size(headers: &OwnedHeaders) -> usize {
    headers.iter().map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).sum()
}

/// The broker's time for an event's, and the header that carries the event's where the two differ.
pub(super) fn written_timestamp(
    of_event: Timestamp,
    headers: Option<OwnedHeaders>,
) -> (i64, Option<OwnedHeaders>) {
    let now = SystemClock.now();
    let near = i64::try_from(NEAR.as_millis()).unwrap_or(i64::MAX);
    // Zero would be taken for none.
    if of_event.0 > 0 && of_event.0.saturating_sub(now.0).saturating_abs() <= near {
        return (of_event.0, headers);
    }
    let carried = of_event.0.to_be_bytes();
    let name = std::str::from_utf8(TIMESTAMP).unwrap_or_default();
    let headers = headers.unwrap_or_default().insert(Written { key: name, value: Some(&carried) });
    (now.0, Some(headers))
}

/// The name of a header that the broker can't have: one that is not UTF-8, or holds a zero.
pub(super) fn unwritable_header(headers: &Headers) -> Option<&Bytes> {
    let unwritable = |name: &&Bytes| name.contains(&0) || std::str::from_utf8(name).is_err();
    headers.as_slice().iter().map(|header| &header.name).find(unwritable)
}

/// Headers as the broker takes them; those that it can't have are left out.
pub(super) fn written_headers(headers: &Headers) -> Option<OwnedHeaders> {
    let headers = headers.as_slice();
    if headers.is_empty() {
        return None;
    }
    Some(add_headers(OwnedHeaders::new_with_capacity(headers.len()), headers))
}

/// Adds the headers that the broker can have.
pub(super) fn add_headers(written: OwnedHeaders, headers: &[Header]) -> OwnedHeaders {
    headers.iter().fold(written, |written, Header { name, value }| match std::str::from_utf8(name) {
        Ok(key) if !name.contains(&0) => written.insert(Written { key, value: value.as_deref() }),
        _ => written,
    })
}
