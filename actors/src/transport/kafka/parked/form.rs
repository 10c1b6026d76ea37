//! The form of a parked event's record in the changelog: its key has its offset, its owner's epoch and its topic, its value the
//! rest.

use bytes::{BufMut, Bytes};
use pandaflow::{Headers, Offset, Partition, Record, Timestamp, TopicName, ports::ParkedEvent};

use crate::transport::{
    headers_codec,
    kafka::{changelog::Entry, varint},
};

const VERSION: u8 = 1;
/// What the key begins with.
pub(in crate::transport::kafka) const PARKED: u8 = b'p';

pub(super) fn key(topic: &TopicName, offset: Offset, epoch: u64) -> Bytes {
    let mut bytes = vec![PARKED];
    bytes.put_u64(offset.0);
    bytes.put_u64(epoch);
    bytes.extend_from_slice(topic.as_bytes());
    bytes.into()
}

pub(super) fn value(event: &ParkedEvent) -> Bytes {
    let record = &event.record;
    let mut bytes = Vec::with_capacity(record.size() + 64);
    bytes.push(VERSION);
    varint::put(&mut bytes, event.place);
    varint::put(&mut bytes, event.attempts.into());
    for time in [event.first_failed, event.due] {
        bytes.push(u8::from(time.is_some()));
        bytes.put_i64(time.unwrap_or_default().0);
    }
    varint::put(&mut bytes, record.partition.0.into());
    bytes.put_i64(record.timestamp.0);
    for part in [&record.key, &record.value] {
        bytes.push(u8::from(part.is_some()));
        varint::put_bytes(&mut bytes, part.as_deref().unwrap_or_default());
    }
    let mut headers = Vec::new();
    headers_codec::encode(&record.headers, &mut headers);
    varint::put_bytes(&mut bytes, &headers);
    bytes.into()
}

/// Takes a record apart, but for the first byte of its key.
pub(in crate::transport::kafka) fn read(key: &[u8], value: Option<Bytes>) -> Option<Entry> {
    let (offset, key) = key.split_first_chunk()?;
    let (epoch, topic) = key.split_first_chunk()?;
    let (offset, epoch) = (Offset(u64::from_be_bytes(*offset)), u64::from_be_bytes(*epoch));
    let topic = TopicName::new(std::str::from_utf8(topic).ok()?);
    let event = match value {
        Some(value) => Some(Box::new(read_value(&topic, offset, &value)?)),
        None => None,
    };
    Some(Entry::Parked((topic, offset), epoch, event))
}

fn read_value(topic: &TopicName, offset: Offset, whole: &Bytes) -> Option<ParkedEvent> {
    let (VERSION, mut bytes) = whole.split_first().map(|(version, rest)| (*version, rest))? else {
        return None;
    };
    let place = varint::take(&mut bytes)?;
    let attempts = u32::try_from(varint::take(&mut bytes)?).ok()?;
    let first_failed = take_time(&mut bytes)?;
    let due = take_time(&mut bytes)?;
    let partition = Partition(u32::try_from(varint::take(&mut bytes)?).ok()?);
    let timestamp = Timestamp(take_number(&mut bytes)?);
    let (key, value) = (take_part(&mut bytes)?, take_part(&mut bytes)?);
    let headers = varint::take_bytes(&mut bytes)?;
    let headers = if headers.is_empty() {
        Headers::default()
    } else {
        headers_codec::decode(Bytes::copy_from_slice(headers)).ok()?
    };
    let record = Record { topic: topic.clone(), partition, offset, timestamp, key, value, headers };
    Some(ParkedEvent { place, record, attempts, first_failed, due })
}

fn take_number(bytes: &mut &[u8]) -> Option<i64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i64::from_be_bytes(*number))
}

fn take_flag(bytes: &mut &[u8]) -> Option<bool> {
    let (flag, rest) = bytes.split_first()?;
    *bytes = rest;
    (*flag <= 1).then_some(*flag == 1)
}

fn take_time(bytes: &mut &[u8]) -> Option<Option<Timestamp>> {
    let there = take_flag(bytes)?;
    let time = Timestamp(take_number(bytes)?);
    Some(there.then_some(time))
}

fn take_part(bytes: &mut &[u8]) -> Option<Option<Bytes>> {
    let there = take_flag(bytes)?;
    let part = varint::take_bytes(bytes)?;
    Some(there.then(|| Bytes::copy_from_slice(part)))
}

#[cfg(test)]
mod tests {
    use pandaflow::Header;

    use super::*;

    fn event(offset: u64) -> ParkedEvent {
        let record = Record {
            topic: TopicName::new("t"),
            partition: Partition(3),
            offset: Offset(offset),
            timestamp: Timestamp(1_000),
            key: Some(Bytes::from_static(b"k")),
            value: None,
            headers: Headers::new(vec![Header { name: Bytes::from_static(b"h"), value: None }]),
        };
        ParkedEvent { place: 300, record, attempts: 2, first_failed: Some(Timestamp(5)), due: None }
    }

    /// Frozen: what version 1 wrote is read by every later one.
    #[test]
    fn the_written_form_is_frozen() {
        let event = event(9);
        let (key, value) = (key(&event.record.topic, Offset(9), 4), value(&event));
        assert_eq!(&key[..], b"p\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x04t");
        let expected = b"\x01\xac\x02\x02\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\x03\xe8\x01\x01k\0\0\x04\x01\x01h\0";
        assert_eq!(&value[..], expected);
        let place = (TopicName::new("t"), Offset(9));
        assert_eq!(
            read(&key[1..], Some(value)),
            Some(Entry::Parked(place.clone(), 4, Some(Box::new(event))))
        );
        assert_eq!(read(&key[1..], None), Some(Entry::Parked(place, 4, None)));
    }

    #[test]
    fn what_is_cut_off_or_of_another_version_is_not_read() {
        let whole = value(&event(9));
        for end in 0..whole.len() {
            assert_eq!(read_value(&TopicName::new("t"), Offset(9), &whole.slice(..end)), None, "{end}");
        }
        let newer = [&[2], &whole[1..]].concat();
        assert_eq!(read_value(&TopicName::new("t"), Offset(9), &newer.into()), None);
    }
}
