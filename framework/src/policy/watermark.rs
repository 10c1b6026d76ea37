//! The offset watermark: up to where everything is settled, and what is settled above it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    str::FromStr,
};

use crate::Offset;

/// How far a group has come in one partition of one topic: all below `next` is settled, and so is what
/// `above` lists. This is what is stored; written as `1;next;a-b,c` (version, then the two).
///
/// ```
/// use pandaflow::policy::watermark::Progress;
/// let progress: Progress = "1;10;12-14,17".parse().unwrap();
/// assert!(progress.is_settled(pandaflow::Offset(13)) && !progress.is_settled(pandaflow::Offset(11)));
/// assert_eq!(progress.to_string(), "1;10;12-14,17");
/// assert!("2;10;".parse::<Progress>().is_err());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The first offset that is not settled.
    pub next: Offset,
    /// Closed ranges of settled offsets above `next`, ascending, not touching each other.
    pub above: Vec<(Offset, Offset)>,
}

/// A stored progress that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no stored progress: {reason}")]
pub struct ProgressError {
    text: String,
    reason: &'static str,
}

impl Progress {
    /// Everything below `next` is settled, nothing above.
    #[must_use]
    pub fn at(next: Offset) -> Self {
        Self { next, above: Vec::new() }
    }

    /// Whether the record at `offset` is settled.
    #[must_use]
    pub fn is_settled(&self, offset: Offset) -> bool {
        offset < self.next || {
            let after = self.above.partition_point(|(first, _)| *first <= offset);
            after > 0 && offset <= self.above[after - 1].1
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1;{};", self.next)?;
        for (place, (first, last)) in self.above.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Progress {
    type Err = ProgressError;

    fn from_str(text: &str) -> Result<Self, ProgressError> {
        let broken = |reason| ProgressError { text: text.chars().take(64).collect(), reason };
        let number = |digits: &str| {
            let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).map(Offset).ok_or_else(|| broken("not a number"))
        };
        let mut parts = text.splitn(3, ';');
        if parts.next() != Some("1") {
            return Err(broken("its version is not 1"));
        }
        let (Some(next), Some(ranges)) = (parts.next(), parts.next()) else {
            return Err(broken("it is cut off"));
        };
        let next = number(next)?;
        let mut above: Vec<(Offset, Offset)> = Vec::new();
        for range in ranges.split(',').filter(|_| !ranges.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(first)?, number(last)?);
            let floor = above.last().map_or(next, |(_, last)| *last);
            if first <= floor || last < first {
                return Err(broken("its ranges are not in order"));
            }
            above.push((first, last));
        }
        Ok(Self { next, above })
    }
}

/// Names an event that was taken in until it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// What the watermark says of a record that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeIn {
    /// New: handle it, then settle the ticket.
    New(Ticket),
    /// Settled before: pass it over without counting it again.
    Settled,
}

/// Follows one partition of one topic. Records come in with rising offsets, not always without gaps, and
/// are settled in any order. Invariant 1: [`Watermark::progress`] never passes one that is not settled.
///
/// ```
/// use pandaflow::{Offset, policy::watermark::{Progress, TakeIn, Watermark}};
/// let mut watermark = Watermark::new(Progress::at(Offset(4)));
/// let TakeIn::New(four) = watermark.take_in(Offset(4)) else { panic!() };
/// let TakeIn::New(five) = watermark.take_in(Offset(5)) else { panic!() };
/// watermark.settle(five);
/// assert_eq!(watermark.progress().to_string(), "1;4;5");
/// watermark.settle(four);
/// assert_eq!(watermark.progress(), Progress::at(Offset(6)));
/// ```
#[derive(Debug)]
pub struct Watermark {
    next: Offset,
    /// One slot a record taken in, from the oldest that is not settled; `true` once settled. No more than [`WINDOW`].
    slots: VecDeque<(Offset, bool)>,
    /// The ticket of the first slot.
    first: u64,
    /// What lies below the slots while something old stays open.
    old: Old,
    /// What was settled in an earlier life and may come in again: ranges that end above every slot.
    ahead: VecDeque<(Offset, Offset)>,
}

/// Slots at most. When there are more, the older half goes to where only open records and gaps cost memory: one event
/// that waits for hours must not make the window grow with all that pass it.
const WINDOW: usize = if cfg!(test) { 8 } else { 8_192 };

/// What has left the slots: records that are open, and ranges of settled ones between them.
#[derive(Debug, Default)]
struct Old {
    /// Open records by ticket; their offsets rise with it.
    open: BTreeMap<u64, Offset>,
    /// Ranges of settled records above the first open one.
    settled: Vec<(Offset, Offset)>,
    /// The offset after the last of them all.
    end: Offset,
}

impl Old {
    fn push(&mut self, ticket: u64, offset: Offset, settled: bool) {
        self.end = offset.next();
        if !settled {
            self.open.insert(ticket, offset);
        } else {
            let last_open = self.open.last_key_value().map(|(_, open)| *open);
            match self.settled.last_mut() {
                Some(range) if last_open.is_none_or(|open| open < range.0) => range.1 = offset,
                _ => self.settled.push((offset, offset)),
            }
        }
    }

    /// Settles an open record, and joins the ranges beside it if no open one lies between.
    fn settle(&mut self, ticket: u64) {
        let Some(offset) = self.open.remove(&ticket) else { return };
        let before = self.open.range(..ticket).next_back().map(|(_, open)| *open);
        let after = self.open.range(ticket..).next().map(|(_, open)| *open);
        let place = self.settled.partition_point(|(first, _)| *first < offset);
        let (mut first, mut last) = (place, place);
        let mut range = (offset, offset);
        if place > 0 && before.is_none_or(|open| open < self.settled[place - 1].0) {
            first -= 1;
            range.0 = self.settled[first].0;
        }
        if let Some(next) = self.settled.get(place).filter(|next| after.is_none_or(|open| open > next.1)) {
            range.1 = next.1;
            last += 1;
        }
        self.settled.splice(first..last, [range]);
    }
}

impl Watermark {
    /// Goes on from a stored progress.
    #[must_use]
    pub fn new(restored: Progress) -> Self {
        let ahead = restored.above.into();
        let (slots, old) = (VecDeque::new(), Old::default());
        let mut watermark = Self { next: restored.next, slots, first: 0, old, ahead };
        watermark.advance();
        watermark
    }

    /// Takes in the record at `offset`, which must be above all that came in before.
    #[inline]
    pub fn take_in(&mut self, offset: Offset) -> TakeIn {
        if offset < self.floor() {
            return TakeIn::Settled;
        }
        while self.ahead.front().is_some_and(|(_, last)| *last < offset) {
            self.ahead.pop_front();
        }
        let settled = self.ahead.front().is_some_and(|(first, _)| *first <= offset);
        if self.slots.len() >= WINDOW {
            self.put_half_aside();
        }
        self.slots.push_back((offset, settled));
        let ticket = Ticket(self.first + self.slots.len() as u64 - 1);
        if settled {
            self.advance();
            TakeIn::Settled
        } else {
            TakeIn::New(ticket)
        }
    }

    fn put_half_aside(&mut self) {
        for (offset, settled) in self.slots.drain(..WINDOW / 2) {
            self.old.push(self.first, offset, settled);
            self.first += 1;
        }
    }

    /// The first offset that has not been taken in.
    fn floor(&self) -> Offset {
        self.slots.back().map_or(self.next.max(self.old.end), |(last, _)| last.next())
    }

    /// Settles a record. Settling it again changes nothing.
    #[inline]
    pub fn settle(&mut self, ticket: Ticket) {
        match ticket.0.checked_sub(self.first) {
            None => self.old.settle(ticket.0),
            Some(place) => {
                let slot = usize::try_from(place).ok().and_then(|place| self.slots.get_mut(place));
                if let Some(slot) = slot {
                    slot.1 = true;
                }
            }
        }
        self.advance();
    }

    #[inline]
    fn advance(&mut self) {
        if let Some((_, open)) = self.old.open.first_key_value() {
            // All below the oldest open record is settled, or was never there.
            if self.old.settled.first().is_some_and(|(_, last)| last < open) {
                self.old.settled.retain(|(_, last)| last > open);
                self.next = *open;
            }
            return;
        }
        if !self.old.settled.is_empty() {
            self.next = self.old.end;
            self.old.settled.clear();
        }
        while let Some((offset, true)) = self.slots.front() {
            self.next = offset.next();
            self.slots.pop_front();
            self.first += 1;
        }
        // With nothing open below it, a range of an earlier life that begins here is passed too.
        while self.slots.is_empty()
            && let Some((_, last)) = self.ahead.pop_front_if(|(first, _)| *first <= self.next)
        {
            self.next = self.next.max(last.next());
        }
    }

    /// How many records are taken in, lie at or above the watermark and take memory.
    #[must_use]
    pub fn window(&self) -> usize {
        self.old.open.len() + self.old.settled.len() + self.slots.len()
    }

    /// The first offset that is not settled.
    #[must_use]
    pub fn next(&self) -> Offset {
        self.next
    }

    /// What may be stored now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut above = self.old.settled.clone();
        let last_open = self.old.open.last_key_value().map(|(_, open)| *open);
        let mut joins = above.last().is_some_and(|(first, _)| last_open.is_none_or(|open| open < *first));
        for (offset, settled) in &self.slots {
            match above.last_mut() {
                Some(range) if *settled && joins => range.1 = *offset,
                _ if *settled => above.push((*offset, *offset)),
                _ => {}
            }
            joins = *settled;
        }
        let floor = self.floor();
        for (first, last) in &self.ahead {
            let first = *first.max(&floor);
            match above.last_mut() {
                Some(range) if range.1.next() >= first => range.1 = range.1.max(*last),
                _ if first <= *last => above.push((first, *last)),
                _ => {}
            }
        }
        Progress { next: self.next, above }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// With a window of 8, so that most records are put aside before they are settled.
        #[test]
        fn however_much_passes_an_open_record_nothing_is_forgotten(
            gaps in vec(1_u64..3, 1..120),
            picks in vec((any::<bool>(), any::<prop::sample::Index>()), 1..300),
        ) {
            let mut watermark = Watermark::new(Progress::default());
            let mut taken: Vec<(Offset, Option<Ticket>)> = Vec::new();
            let mut gaps = gaps.into_iter();
            let mut offset = 0;
            for (take, pick) in picks {
                let open: Vec<usize> = (0..taken.len()).filter(|place| taken[*place].1.is_some()).collect();
                if let (true, Some(gap)) = (take || open.is_empty(), gaps.next()) {
                    offset += gap;
                    let TakeIn::New(ticket) = watermark.take_in(Offset(offset)) else { panic!("it is new") };
                    taken.push((Offset(offset), Some(ticket)));
                } else if !open.is_empty() {
                    let ticket = taken[open[pick.index(open.len())]].1.take();
                    watermark.settle(ticket.expect("it is open"));
                }
                let progress = watermark.progress();
                for (offset, ticket) in &taken {
                    prop_assert_eq!(progress.is_settled(*offset), ticket.is_none(), "{} at {}", &progress, offset);
                }
                prop_assert_eq!(progress.to_string().parse(), Ok(progress.clone()));
                let open = taken.iter().filter(|(_, ticket)| ticket.is_some()).count();
                prop_assert!(watermark.window() <= WINDOW + 2 * open + 1);
            }
        }
    }
}
