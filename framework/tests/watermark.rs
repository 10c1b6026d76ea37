//! The watermark against a naive model: it never passes an event that is not settled, and nothing that is settled is
//! handed out again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use pandaflow::{
    Offset,
    policy::watermark::{Progress, TakeIn, Ticket, Watermark},
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// The next record comes in.
    TakeIn,
    /// One of those in flight is settled.
    Settle(usize),
    /// One of those settled before is settled again.
    SettleAgain(usize),
    /// Progress is stored.
    Store,
    /// A crash: the next life begins with what was stored at one time or another.
    Crash(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => Just(Step::TakeIn),
        10 => any::<usize>().prop_map(Step::Settle),
        1 => any::<usize>().prop_map(Step::SettleAgain),
        4 => Just(Step::Store),
        1 => any::<usize>().prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 0..300)
}

/// Offsets of a log with gaps.
fn log() -> impl Strategy<Value = Vec<u64>> {
    let gap = prop_oneof![8 => Just(1_u64), 1 => 2..5_u64];
    (0..3_u64, proptest::collection::vec(gap, 300)).prop_map(|(first, gaps)| {
        gaps.into_iter()
            .scan(first, |offset, gap| {
                let here = *offset;
                *offset += gap;
                Some(here)
            })
            .collect()
    })
}

/// What a life knows, in sets.
struct Life {
    watermark: Watermark,
    settled: BTreeSet<u64>,
    in_flight: Vec<(u64, Ticket)>,
    over: Vec<Ticket>,
    place: usize,
}

impl Life {
    fn begin(log: &[u64], progress: &Progress, settled: BTreeSet<u64>) -> Self {
        Self {
            watermark: Watermark::new(progress.clone()),
            settled,
            in_flight: Vec::new(),
            over: Vec::new(),
            place: log.partition_point(|offset| *offset < progress.next.0),
        }
    }

    fn take_in(&mut self, log: &[u64]) {
        let Some(offset) = log.get(self.place) else { return };
        self.place += 1;
        match self.watermark.take_in(Offset(*offset)) {
            TakeIn::New(ticket) => {
                assert!(!self.settled.contains(offset), "{offset} is handed out again");
                self.in_flight.push((*offset, ticket));
            }
            TakeIn::Settled => assert!(self.settled.contains(offset), "{offset} is passed over"),
        }
    }

    fn settle(&mut self, which: usize) {
        if !self.in_flight.is_empty() {
            let (offset, ticket) = self.in_flight.swap_remove(which % self.in_flight.len());
            self.watermark.settle(ticket);
            self.settled.insert(offset);
            self.over.push(ticket);
        }
    }

    /// The progress, checked against the sets and read back from its text.
    fn progress(&self, log: &[u64]) -> Progress {
        let progress = self.watermark.progress();
        let open = log.iter().find(|offset| !self.settled.contains(offset));
        assert!(open.is_none_or(|open| progress.next.0 <= *open), "{progress} passes {open:?}");
        assert_eq!(progress.next, self.watermark.next());
        for offset in log {
            let settled = self.settled.contains(offset);
            assert_eq!(progress.is_settled(Offset(*offset)), settled, "{offset} in {progress}");
        }
        let mut floor = progress.next.0;
        for (first, last) in &progress.above {
            assert!(first.0 > floor && last >= first, "{progress} is not as short as it could be");
            floor = last.0 + 1;
        }
        assert_eq!(progress.to_string().parse().as_ref(), Ok(&progress));
        progress
    }
}

proptest! {
    #[test]
    fn agrees_with_sets_of_offsets_over_any_number_of_lives(log in log(), steps in steps()) {
        let mut stored = vec![(Progress::at(Offset(0)), BTreeSet::new())];
        let mut life = Life::begin(&log, &stored[0].0, BTreeSet::new());
        for step in steps {
            match step {
                Step::TakeIn => life.take_in(&log),
                Step::Settle(which) => life.settle(which),
                Step::SettleAgain(which) if !life.over.is_empty() => {
                    life.watermark.settle(life.over[which % life.over.len()]);
                }
                Step::SettleAgain(_) => {}
                Step::Store => stored.push((life.progress(&log), life.settled.clone())),
                Step::Crash(which) => {
                    let (progress, settled) = stored[which % stored.len()].clone();
                    let progress = progress.to_string().parse().unwrap();
                    life = Life::begin(&log, &progress, settled);
                }
            }
        }
        life.progress(&log);
        prop_assert!(life.watermark.window() >= life.in_flight.len());
        while life.place < log.len() {
            life.take_in(&log);
        }
        while !life.in_flight.is_empty() {
            life.settle(0);
        }
        let end = life.progress(&log);
        prop_assert_eq!(end, Progress::at(Offset(log[log.len() - 1] + 1)));
        prop_assert_eq!(life.watermark.window(), 0);
    }

    #[test]
    fn reading_any_text_never_panics_and_writes_what_it_read(
        text in prop_oneof![".*", "1;[0-9]{0,3};[0-9,-]{0,20}", "[0-9;,+ -]{0,24}"]
    ) {
        if let Ok(progress) = text.parse::<Progress>() {
            prop_assert_eq!(progress.to_string().parse(), Ok(progress));
        }
    }

    #[test]
    fn any_progress_that_can_be_read_can_be_gone_on_from(
        next in prop_oneof![0..20_u64, u64::MAX - 20..=u64::MAX],
        ranges in proptest::collection::vec((1..4_u64, 0..4_u64), 0..6),
        offsets in proptest::collection::vec(any::<u64>(), 0..10),
    ) {
        let mut progress = Progress::at(Offset(next));
        let mut floor = next;
        for (gap, length) in ranges {
            let first = floor.saturating_add(gap);
            let last = first.saturating_add(length);
            if first > floor {
                progress.above.push((Offset(first), Offset(last)));
            }
            floor = last;
        }
        let progress: Progress = progress.to_string().parse().unwrap();
        let mut watermark = Watermark::new(progress);
        for offset in offsets {
            watermark.take_in(Offset(offset));
            prop_assert!(watermark.progress().next == watermark.next());
        }
    }
}

#[test]
fn a_range_of_an_earlier_life_is_passed_once_nothing_below_it_is_open() {
    let mut watermark = Watermark::new("1;10;12-14,17".parse().unwrap());
    for offset in [10, 11] {
        let TakeIn::New(ticket) = watermark.take_in(Offset(offset)) else { panic!("{offset} is new") };
        watermark.settle(ticket);
    }
    assert_eq!(watermark.progress().to_string(), "1;15;17");
    assert_eq!(watermark.take_in(Offset(12)), TakeIn::Settled);
}

#[test]
fn a_stored_progress_that_is_broken_is_refused_and_named() {
    let broken = [
        "",
        "1",
        "1;",
        "1;5",
        "2;5;",
        "1;x;",
        "1;+5;",
        "1;-5;",
        "1;5;4",
        "1;5;5",
        "1;5;7-6",
        "1;5;7,7",
        "1;5;8,7",
        "1;5;7-9,9",
        "1;5;7,",
        "1;5;,7",
        "1;5;7-",
        "1;5;-7",
        "1;5;7-8-9",
        "1;5;7;9",
        "1;5; 7",
        " 1;5;7",
        "1;5;7\n",
        "1;18446744073709551616;",
    ];
    for text in broken {
        let error = text.parse::<Progress>().expect_err(text);
        assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
    }
}
