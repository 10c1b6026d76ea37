//! Parking: which keys wait beside their partition, in what order their events come back, and when there is no more room.

mod turns;

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;

pub use self::turns::Turns;
use crate::{
    Record, Timestamp,
    ports::{ParkChange, ParkedEvent},
};

/// Events of one key that are handed out at once, at most: they wait in the key's lane.
const OUT_PER_KEY: usize = 64;
/// Bytes that a parked event takes beside its record, about.
const OVERHEAD: usize = 256;

/// How much one task may have parked. At a limit its partition takes nothing new in.
///
/// Events that were taken in before may still be parked, so that the memory used is bounded by these limits and those of what is in
/// flight together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkingLimits {
    /// Keys; 10,000 by default.
    pub keys: usize,
    /// Events; 50,000 by default.
    pub events: usize,
    /// Bytes of their records, and 256 for each event beside; 32 MiB by default.
    pub bytes: usize,
}

impl Default for ParkingLimits {
    fn default() -> Self {
        Self { keys: 10_000, events: 50_000, bytes: 32 << 20 }
    }
}

/// How much is parked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ParkedCount {
    /// Keys.
    pub keys: usize,
    /// Events.
    pub events: usize,
    /// Bytes, as [`ParkingLimits::bytes`] counts them.
    pub bytes: usize,
}

/// An event that is handed out to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// What is parked under.
    pub key: Bytes,
    /// The event. It stays parked until [`Parking::ended`].
    pub event: ParkedEvent,
    /// Of which hand-out it is; those of an earlier one are not to be tried ([`Parking::is_current`]).
    pub wave: u64,
}

/// What one task has parked, by key.
///
/// The first event of a key has a time at which it is tried again; those behind it wait for it. While a key has parked events, each
/// new one of it is to be parked behind them ([`Parking::holds`]), which is what keeps the order. Handed-out events stay parked
/// until they have ended, and if the first of a key fails again, the others that were handed out are taken back.
#[derive(Debug, Default)]
pub struct Parking {
    limits: ParkingLimits,
    keys: HashMap<Bytes, Queue>,
    /// Keys that have an event to hand out, by when.
    wakes: BTreeSet<(Timestamp, Bytes)>,
    count: ParkedCount,
    out: usize,
    next_place: u64,
    next_wave: u64,
}

#[derive(Debug)]
struct Queue {
    events: VecDeque<ParkedEvent>,
    due: Timestamp,
    /// How many of them are handed out, from the front.
    out: usize,
    wave: u64,
}

impl Parking {
    /// What was found, with `key` telling what an event is parked under.
    #[must_use]
    pub fn restored(
        limits: ParkingLimits,
        mut found: Vec<ParkedEvent>,
        key: impl Fn(&Record) -> Bytes,
    ) -> Self {
        found.sort_by_key(|event| event.place);
        let mut parking = Self { limits, ..Self::default() };
        for event in found {
            parking.put_back(key(&event.record), event);
        }
        parking
    }

    /// Takes up an event that is stored already, behind the others of its key.
    pub fn put_back(&mut self, key: Bytes, event: ParkedEvent) {
        self.next_place = self.next_place.max(event.place + 1);
        self.put(key.clone(), event);
        self.wake(&key);
    }

    /// Whether nothing is parked.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How much is parked.
    #[must_use]
    pub fn count(&self) -> ParkedCount {
        ParkedCount { keys: self.keys.len(), ..self.count }
    }

    /// Whether nothing new is to be taken in, since all of it might have to be parked.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let Self { limits, count, .. } = self;
        self.keys.len() >= limits.keys || count.events >= limits.events || count.bytes >= limits.bytes
    }

    /// Whether the key has parked events, so that a new one of it goes behind them.
    #[must_use]
    pub fn holds(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key)
    }

    /// Parks an event that has failed and is to be tried again at `due`. Its key holds nothing else: it would not have been tried.
    pub fn park(
        &mut self,
        key: Bytes,
        record: &Record,
        attempts: u32,
        first_failed: Option<Timestamp>,
        due: Timestamp,
    ) -> ParkChange {
        self.take(
            key,
            ParkedEvent {
                place: self.next_place,
                record: record.detached(),
                attempts,
                first_failed,
                due: Some(due),
            },
        )
    }

    /// Parks an event behind the others of its key.
    pub fn park_behind(
        &mut self,
        key: Bytes,
        record: &Record,
        attempts: u32,
        first_failed: Option<Timestamp>,
    ) -> ParkChange {
        self.take(
            key,
            ParkedEvent {
                place: self.next_place,
                record: record.detached(),
                attempts,
                first_failed,
                due: None,
            },
        )
    }

    fn take(&mut self, key: Bytes, event: ParkedEvent) -> ParkChange {
        self.next_place += 1;
        let change = ParkChange::Parked(Box::new(event.clone()));
        // A copy, as the key of a record keeps the memory of its whole batch.
        let key = if self.holds(&key) { key } else { Bytes::copy_from_slice(&key) };
        self.put(key.clone(), event);
        self.wake(&key);
        change
    }

    fn put(&mut self, key: Bytes, event: ParkedEvent) {
        self.count.events += 1;
        self.count.bytes += event.record.size() + OVERHEAD;
        let due = event.due;
        let queue = self.keys.entry(key).or_insert_with(|| Queue {
            events: VecDeque::with_capacity(1),
            // Without a time of its own it is its turn at once: the one that it waited for has ended.
            due: due.unwrap_or_default(),
            out: 0,
            wave: 0,
        });
        queue.events.push_back(event);
    }

    /// When the next event is to be handed out; `None` if all that is parked is handed out, or nothing is.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(due, _)| *due)
    }

    /// Events that are handed out and have not ended.
    #[must_use]
    pub fn out(&self) -> usize {
        self.out
    }

    /// Hands out events whose time has come, `most` at most, those of a key in their order.
    pub fn release(&mut self, now: Timestamp, most: usize) -> Vec<Released> {
        let mut released = Vec::new();
        while released.len() < most {
            let Some((due, key)) = self.wakes.first().filter(|(due, _)| *due <= now).cloned() else { break };
            self.wakes.remove(&(due, key.clone()));
            let Some(queue) = self.keys.get_mut(&key) else { continue };
            if queue.out == 0 {
                self.next_wave += 1;
                queue.wave = self.next_wave;
            }
            let many = (OUT_PER_KEY - queue.out).min(most - released.len());
            for event in queue.events.iter().skip(queue.out).take(many) {
                released.push(Released { key: key.clone(), event: event.clone(), wave: queue.wave });
                queue.out += 1;
                self.out += 1;
            }
            self.wake(&key);
        }
        released
    }

    /// Whether an event that was handed out is still to be tried: not if one before it of its key has failed since.
    #[must_use]
    pub fn is_current(&self, key: &[u8], wave: u64) -> bool {
        self.keys.get(key).is_some_and(|queue| queue.out > 0 && queue.wave == wave)
    }

    /// The first event of a key has ended; `None` if the key has none, which is a fault of the caller's.
    pub fn ended(&mut self, key: &Bytes) -> Option<ParkChange> {
        self.sleep(key);
        let queue = self.keys.get_mut(key)?;
        let ParkedEvent { record, .. } = queue.events.pop_front()?;
        let handed_out = queue.out.min(1);
        queue.out -= handed_out;
        self.out -= handed_out;
        self.count.events -= 1;
        self.count.bytes -= record.size() + OVERHEAD;
        // Those behind it wait for nothing but their turn.
        queue.due = Timestamp::default();
        if queue.events.is_empty() {
            self.keys.remove(key);
        } else {
            self.wake(key);
        }
        Some(ParkChange::Ended { topic: record.topic, offset: record.offset })
    }

    /// The first event of a key has failed again: it is tried once more at `due`, and what was handed out of the key is taken back.
    /// `None` as for [`Parking::ended`].
    pub fn again(
        &mut self,
        key: &Bytes,
        attempts: u32,
        first_failed: Option<Timestamp>,
        due: Timestamp,
    ) -> Option<ParkChange> {
        self.sleep(key);
        let queue = self.keys.get_mut(key)?;
        self.out -= std::mem::take(&mut queue.out);
        queue.due = due;
        let event = queue.events.front_mut()?;
        (event.attempts, event.first_failed, event.due) = (attempts, first_failed, Some(due));
        let change = ParkChange::Parked(Box::new(event.clone()));
        self.wake(key);
        Some(change)
    }

    /// Lets a key be handed out at its time, if something of it can be.
    fn wake(&mut self, key: &Bytes) {
        if let Some(queue) = self.keys.get(key)
            && queue.out < OUT_PER_KEY.min(queue.events.len())
        {
            self.wakes.insert((queue.due, key.clone()));
        }
    }

    fn sleep(&mut self, key: &Bytes) {
        if let Some(queue) = self.keys.get(key) {
            self.wakes.remove(&(queue.due, key.clone()));
        }
    }
}
