//! Turns: the calls of one group's partition go to the store one after the other, in the order they came.

use std::{collections::HashMap, future::Future};

use pandaflow::{Group, Partition, ports::Owner};
use tokio::sync::oneshot;

/// Hands out turns, one row per group and partition; the owners of a partition follow each other in one row.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The end of each row: resolves when the last turn handed out has ended.
    last: HashMap<(Group, Partition), oneshot::Receiver<()>>,
}

/// A place in a row. The next one comes when this is dropped, so it must be kept until its call has ended.
#[derive(Debug)]
pub(super) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    // Never sent on: its drop is the signal.
    _ends: oneshot::Sender<()>,
}

impl Turns {
    /// The next place in the row of `owner`'s partition.
    pub(super) fn next(&mut self, owner: &Owner) -> Turn {
        let (ends, ended) = oneshot::channel();
        let before = self.last.insert((owner.group.clone(), owner.partition), ended);
        Turn { before, _ends: ends }
    }
}

impl Turn {
    /// Waits for the turns before this one.
    pub(super) fn come(&mut self) -> impl Future<Output = ()> + use<> {
        let before = self.before.take();
        async {
            if let Some(before) = before {
                // An error is the drop that is waited for.
                let _ = before.await;
            }
        }
    }
}
