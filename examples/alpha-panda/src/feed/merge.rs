//! The ticks of several files, by time.

use std::{cmp::Reverse, collections::BinaryHeap};

use chrono::{DateTime, Utc};

use super::{FeedTick, error::FeedError, source::Source};

/// Always gives out the earliest tick; of several, that of the file that was named first.
#[derive(Debug)]
pub(super) struct Merge {
    sources: Vec<Source>,
    /// The next tick of each file; none after its last.
    heads: Vec<Option<FeedTick>>,
    /// The time and the file of each head.
    order: BinaryHeap<Reverse<(DateTime<Utc>, usize)>>,
}

impl Merge {
    pub(super) fn new(sources: Vec<Source>) -> Result<Self, FeedError> {
        let heads = sources.iter().map(|_| None).collect();
        let mut merge = Self { order: BinaryHeap::new(), heads, sources };
        for index in 0..merge.sources.len() {
            merge.refill(index)?;
        }
        Ok(merge)
    }

    fn refill(&mut self, index: usize) -> Result<(), FeedError> {
        self.heads[index] = self.sources[index].advance()?;
        if let Some(head) = &self.heads[index] {
            self.order.push(Reverse((head.tick.timestamp, index)));
        }
        Ok(())
    }
}

impl Iterator for Merge {
    type Item = Result<FeedTick, FeedError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, index)) = self.order.pop()?;
        let tick = self.heads[index].take()?;
        if let Err(error) = self.refill(index) {
            // The rest would not be the feed that was promised.
            self.order.clear();
            return Some(Err(error));
        }
        Some(Ok(tick))
    }
}
