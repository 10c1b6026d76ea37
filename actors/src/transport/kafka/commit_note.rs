//! What is written beside a committed offset: ranges settled above it, an owner's ledger, or what was published of an outbox.
//!
//! Base64 of a version, a kind and the content, since a broker keeps a string, and of at most 4,096 bytes. What can't
//! be read is ignored: other clients may have written it.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use pandaflow::{Epoch, Offset, policy::ledger::Ledger};
use uuid::Uuid;

use super::varint;
use crate::transport::settlement_database::OutboxId;

const VERSION: u8 = 1;
const RANGES: u8 = 1;
const TALLY: u8 = 2;
const PUBLISHED: u8 = 3;
/// Bytes before base64: it makes 4 of 3, and the broker takes 4,096.
const LIMIT: usize = 3_072;
/// Records of a batch that are published together, at most: what says more was written by somebody else.
const MOST_OF_A_BATCH: i64 = 1 << 20;

/// Writes the ranges settled above `next`, nearest first; those that there is no room for are handled again.
pub(super) fn write_ranges(next: Offset, above: &[(Offset, Offset)]) -> String {
    if above.is_empty() {
        return String::new();
    }
    let mut bytes = vec![VERSION, RANGES];
    let mut before = next.0;
    for (first, last) in above {
        let whole = bytes.len();
        varint::put(&mut bytes, first.0.saturating_sub(before));
        varint::put(&mut bytes, last.0.saturating_sub(first.0));
        if bytes.len() > LIMIT {
            bytes.truncate(whole);
            break;
        }
        before = last.0;
    }
    STANDARD_NO_PAD.encode(bytes)
}

/// Reads the ranges settled above `next`; none if the note is not one of ours.
pub(super) fn read_ranges(next: Offset, note: &str) -> Vec<(Offset, Offset)> {
    let Some(bytes) = content(note, RANGES) else { return Vec::new() };
    let (mut bytes, mut above, mut before) = (&bytes[..], Vec::new(), next.0);
    while !bytes.is_empty() {
        let range = (|| {
            let gap = varint::take(&mut bytes)?;
            let first = before.checked_add(gap).filter(|_| gap > 0)?;
            Some((first, first.checked_add(varint::take(&mut bytes)?)?))
        })();
        // Half a note is worth nothing: what it leaves out is handled again.
        let Some((first, last)) = range else { return Vec::new() };
        above.push((Offset(first), Offset(last)));
        before = last;
    }
    above
}

/// Whether a note says what is settled above its offset.
pub(super) fn is_ranges(note: &str) -> bool {
    content(note, RANGES).is_some()
}

/// What an owner has settled in all, and who it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) epoch: Epoch,
    pub(super) ledger: Ledger,
}

impl Tally {
    pub(super) fn write(&self) -> String {
        let mut bytes = vec![VERSION, TALLY];
        let Ledger { consumed, succeeded, filtered, duplicate, dead_lettered, parked } = self.ledger;
        for number in [self.epoch.0, consumed, succeeded, filtered, duplicate, dead_lettered, parked] {
            varint::put(&mut bytes, number);
        }
        STANDARD_NO_PAD.encode(bytes)
    }

    /// With a number behind it that no other tally of this owner has: readers leave it out.
    pub(super) fn write_numbered(&self, number: u64) -> String {
        let mut bytes = content(&self.write(), TALLY).unwrap_or_default();
        varint::put(&mut bytes, number);
        STANDARD_NO_PAD.encode([&[VERSION, TALLY][..], &bytes].concat())
    }

    /// `None` if the note is not one of ours.
    pub(super) fn read(note: &str) -> Option<Self> {
        let bytes = content(note, TALLY)?;
        let mut bytes = &bytes[..];
        let mut next = || varint::take(&mut bytes);
        Some(Self {
            epoch: Epoch(next()?),
            ledger: Ledger {
                consumed: next()?,
                succeeded: next()?,
                filtered: next()?,
                duplicate: next()?,
                dead_lettered: next()?,
                parked: next()?,
            },
        })
    }
}

/// Writes which records of an outbox were published together, as many of the first as there is room for; tells how many.
pub(super) fn write_published(outbox: Uuid, ids: &[OutboxId]) -> (String, usize) {
    let mut bytes = vec![VERSION, PUBLISHED];
    bytes.extend_from_slice(outbox.as_bytes());
    let (mut before, mut written) = (0, 0);
    for run in
        ids.chunk_by(|one, next| one.batch == next.batch && one.place.checked_add(1) == Some(next.place))
    {
        let whole = bytes.len();
        let OutboxId { batch, place } = run[0];
        varint::put(&mut bytes, batch.wrapping_sub(before).cast_unsigned());
        varint::put(&mut bytes, place.cast_unsigned());
        varint::put(&mut bytes, run.len() as u64);
        if bytes.len() > LIMIT {
            bytes.truncate(whole);
            break;
        }
        (before, written) = (batch, written + run.len());
    }
    (STANDARD_NO_PAD.encode(bytes), written)
}

/// Reads which records of this outbox were published; none if the note is not of this one.
pub(super) fn read_published(outbox: Uuid, note: &str) -> Vec<OutboxId> {
    let Some(bytes) = content(note, PUBLISHED) else { return Vec::new() };
    let Some(mut bytes) = bytes.strip_prefix(outbox.as_bytes()) else { return Vec::new() };
    let (mut ids, mut batch) = (Vec::new(), 0_i64);
    while !bytes.is_empty() {
        let run = (|| {
            let gap = varint::take(&mut bytes)?;
            let first = varint::take(&mut bytes)?.cast_signed();
            let count = varint::take(&mut bytes)?.cast_signed();
            let last = first.checked_add(count)?;
            (0..=MOST_OF_A_BATCH).contains(&count).then_some((gap, first..last))
        })();
        let Some((gap, places)) = run else { return Vec::new() };
        batch = batch.wrapping_add(gap.cast_signed());
        ids.extend(places.map(|place| OutboxId { batch, place }));
    }
    ids
}

fn content(note: &str, kind: u8) -> Option<Vec<u8>> {
    let mut bytes = STANDARD_NO_PAD.decode(note).ok()?;
    (bytes.get(..2)? == [VERSION, kind]).then(|| bytes.split_off(2))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn ranges(gaps: &[(u64, u64)], next: u64) -> Vec<(Offset, Offset)> {
        let mut before = next;
        let range = |(gap, length): &(u64, u64)| {
            let first = before + gap + 1;
            before = first + length;
            (Offset(first), Offset(before))
        };
        gaps.iter().map(range).collect()
    }

    proptest! {
        #[test]
        fn ranges_come_back(gaps in vec((0_u64..1 << 40, 0_u64..1 << 40), 0..200), next in 0_u64..1 << 50) {
            let above = ranges(&gaps, next);
            prop_assert_eq!(read_ranges(Offset(next), &write_ranges(Offset(next), &above)), above);
        }

        #[test]
        fn too_many_ranges_leave_the_nearest(gaps in vec((0_u64..1 << 40, 0_u64..1 << 40), 900..1100)) {
            let above = ranges(&gaps, 7);
            let note = write_ranges(Offset(7), &above);
            prop_assert!(note.len() <= 4096);
            let read = read_ranges(Offset(7), &note);
            prop_assert!(!read.is_empty() && read[..] == above[..read.len()]);
        }

        #[test]
        fn what_was_published_comes_back_or_what_there_is_room_for(
            batches in vec((1_i64..1 << 40, 0_i64..5, 1_i64..4), 0..1500),
            outbox in any::<u128>().prop_map(Uuid::from_u128),
        ) {
            let mut ids = Vec::new();
            let mut batch = 0;
            for (gap, first, count) in batches {
                batch += gap;
                ids.extend((first..first + count).map(|place| OutboxId { batch, place }));
            }
            let (note, written) = write_published(outbox, &ids);
            prop_assert!(note.len() <= 4096 && (written > 0 || ids.is_empty()));
            prop_assert_eq!(&read_published(outbox, &note)[..], &ids[..written]);
            prop_assert_eq!(read_published(Uuid::max(), &note), []);
        }

        #[test]
        fn nothing_that_others_write_is_trouble(note in ".*", bytes in vec(any::<u8>(), 0..64)) {
            let coded = STANDARD_NO_PAD.encode(&bytes);
            for note in [note, coded] {
                let read = read_ranges(Offset(3), &note);
                prop_assert!(read.is_sorted_by(|one, other| one.1 < other.0));
                prop_assert!(read.iter().all(|(first, last)| first.0 > 3 && first <= last));
                let _ = Tally::read(&note);
                let _ = read_published(Uuid::nil(), &note);
            }
        }
    }

    /// Frozen: what version 1 wrote is read by every later one.
    #[test]
    fn the_written_form_is_frozen() {
        let above = [(Offset(12), Offset(14)), (Offset(1000), Offset(1000))];
        assert_eq!(write_ranges(Offset(10), &above), "AQECAtoHAA");
        assert_eq!(read_ranges(Offset(10), "AQECAtoHAA"), above);
        let ledger =
            Ledger { consumed: 300, succeeded: 290, filtered: 4, duplicate: 3, dead_lettered: 2, parked: 1 };
        let tally = Tally { epoch: Epoch(1 << 50), ledger };
        assert_eq!(tally.write(), "AQKAgICAgICAAqwCogIEAwIB");
        assert_eq!(Tally::read(&tally.write()), Some(tally));
        assert_eq!(tally.write_numbered(300), "AQKAgICAgICAAqwCogIEAwIBrAI");
        assert_eq!(Tally::read(&tally.write_numbered(300)), Some(tally));
        let ids = [(7, 1), (7, 2), (300, 0)].map(|(batch, place)| OutboxId { batch, place });
        assert_eq!(write_published(Uuid::max(), &ids), ("AQP/////////////////////BwECpQIAAQ".into(), 3));
        assert_eq!(read_published(Uuid::max(), "AQP/////////////////////BwECpQIAAQ"), ids);
    }

    #[test]
    fn other_versions_and_kinds_are_ignored() {
        let two = STANDARD_NO_PAD.encode([2, RANGES, 2, 2]);
        let tally = STANDARD_NO_PAD.encode([VERSION, TALLY, 2, 2, 2, 2, 2, 2, 2]);
        for note in ["", "no base64!", two.as_str(), tally.as_str(), "AQ"] {
            assert_eq!(read_ranges(Offset(0), note), []);
            assert_eq!(read_published(Uuid::nil(), note), []);
        }
        assert_eq!(Tally::read(&STANDARD_NO_PAD.encode([2, TALLY, 2, 2, 2, 2, 2, 2, 2])), None);
    }
}
