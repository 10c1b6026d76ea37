//! The log of one partition of one topic: its records, who waits for more, and the latest record per key.

use std::sync::{Arc, Weak};

use bytes::{Bytes, BytesMut};
use hashbrown::HashMap;
use pandaflow::{Offset, Outgoing, Partition, Record, TopicName};

use super::{lock::Lock, reader::Reader};

/// Readers to be served once every lock is let go.
#[derive(Default)]
pub(super) struct Wake(Vec<Arc<Reader>>);

impl Wake {
    fn add(&mut self, reader: &Weak<Reader>) {
        if !self.0.iter().any(|known| Arc::as_ptr(known) == reader.as_ptr()) {
            self.0.extend(reader.upgrade());
        }
    }

    /// Delivers, on the calling thread, what the readers have asked for.
    pub(super) fn serve(self) {
        for reader in self.0 {
            reader.pump();
        }
    }
}

/// Bytes that are allocated at a time for keys and values.
const CHUNK: usize = 64 << 10;

/// One partition of one topic.
pub(super) struct Log {
    /// A copy of this partition's own, so that two partitions' records don't count references in one place.
    topic: TopicName,
    partition: Partition,
    inside: Lock<Inside>,
}

#[derive(Default)]
struct Inside {
    records: Vec<Record>,
    /// Where the next keys and values go.
    chunk: Chunk,
    readers: Vec<Weak<Reader>>,
    /// Kept once the topic is looked up as a table.
    latest: Option<HashMap<Bytes, Record>>,
}

/// Memory for keys and values, one after the other: who reads a log finds them where he expects the next, and counts
/// references for all of a chunk in one place.
#[derive(Default)]
struct Chunk(BytesMut);

impl Chunk {
    fn keep(&mut self, bytes: &[u8]) -> Bytes {
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(CHUNK.max(bytes.len()));
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

impl Log {
    pub(super) fn new(topic: &TopicName, partition: Partition) -> Self {
        Self { topic: TopicName::new(topic), partition, inside: Lock::default() }
    }

    /// Appends a record, and notes in `wake` who waits for it.
    pub(super) fn append(&self, outgoing: Outgoing, wake: &mut Wake) -> Offset {
        let mut inside = self.inside.lock();
        let record = Record {
            topic: self.topic.clone(),
            partition: self.partition,
            offset: Offset(inside.records.len() as u64),
            timestamp: outgoing.timestamp,
            key: outgoing.key.map(|key| inside.chunk.keep(&key)),
            value: outgoing.value.map(|value| inside.chunk.keep(&value)),
            headers: outgoing.headers,
        };
        let offset = record.offset;
        if let (Some(latest), Some(key)) = (&mut inside.latest, &record.key) {
            latest.insert(key.clone(), record.clone());
        }
        inside.records.push(record);
        for reader in &inside.readers {
            wake.add(reader);
        }
        offset
    }

    /// Records from `from` on: at most `events`, and as many as it takes to use up `bytes`.
    pub(super) fn page(&self, from: Offset, events: usize, bytes: usize) -> Vec<Record> {
        let inside = self.inside.lock();
        let start = usize::try_from(from.0).unwrap_or(usize::MAX).min(inside.records.len());
        let rest = &inside.records[start..];
        let mut left = bytes;
        let mut page = Vec::with_capacity(rest.len().min(events));
        for record in rest.iter().take(events) {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(record.size());
            page.push(record.clone());
        }
        page
    }

    /// The offset that the next record will get.
    pub(super) fn end(&self) -> Offset {
        Offset(self.inside.lock().records.len() as u64)
    }

    /// All records, in order.
    pub(super) fn records(&self) -> Vec<Record> {
        self.inside.lock().records.clone()
    }

    /// Serves `reader` whenever a record is appended, for as long as there is one.
    pub(super) fn follow(&self, reader: &Arc<Reader>) {
        let mut inside = self.inside.lock();
        inside.readers.retain(|known| known.strong_count() > 0);
        inside.readers.push(Arc::downgrade(reader));
    }

    pub(super) fn unfollow(&self, reader: &Reader) {
        self.inside.lock().readers.retain(|known| !std::ptr::eq(known.as_ptr(), reader));
    }

    /// Keeps the latest record per key from now on, those that are there included.
    pub(super) fn keep_latest(&self) {
        let mut inside = self.inside.lock();
        if inside.latest.is_none() {
            let keyed = |record: &Record| Some((record.key.clone()?, record.clone()));
            inside.latest = Some(inside.records.iter().filter_map(keyed).collect());
        }
    }

    pub(super) fn latest(&self, key: &[u8]) -> Option<Record> {
        self.inside.lock().latest.as_ref()?.get(key).cloned()
    }
}
