//! A reader: delivers one assigned partition of a subscription's topics to its assignee.
//!
//! There is no thread behind it. Whoever appends, asks for more or ends the reader runs [`Reader::pump`], which makes
//! the calls that are due. One thread at a time does, so that calls to one assignee about one partition come one after
//! the other and in order; a call that comes from inside such a call only leaves a note, and the outer one goes on.

use std::sync::Arc;

use pandaflow::{
    Epoch, Offset, Partition,
    ports::{Acquired, Assignee, Assignment, Batch, Demand},
};

use super::{lock::Lock, log::Log};

/// Records handed over in one call at most, so that several inputs take turns, and so that they are still in the
/// processor's cache when they are handled.
const PAGE: usize = 256;

pub(super) struct Reader {
    epoch: Epoch,
    partition: Partition,
    assignee: Arc<dyn Assignee>,
    /// The partition's log of each topic, in the order of the subscription.
    logs: Vec<Arc<Log>>,
    state: Lock<State>,
}

struct State {
    /// The next offset of each input.
    next: Vec<Offset>,
    /// The input whose turn it is.
    turn: usize,
    events: usize,
    /// Below zero by the part of a record that went over what was allowed.
    bytes: i128,
    /// Whether some thread is making calls.
    busy: bool,
    stage: Stage,
}

enum Stage {
    Reading,
    Ending(Ending),
    Ended,
}

/// How a reader ends.
pub(super) enum Ending {
    /// Given back in good order; dropping the token ends the owner's right to settle.
    Revoked(Box<dyn Send>),
    /// Gone already.
    Lost,
    /// Started over: the assignee is told by the next assignment, after the last call about this one.
    Replaced(Arc<Reader>, Acquired),
}

enum Call {
    Deliver(Batch),
    End(Ending),
}

impl Reader {
    pub(super) fn new(assignee: Arc<dyn Assignee>, logs: Vec<Arc<Log>>, acquired: &Acquired) -> Arc<Self> {
        let state = State {
            next: acquired.progress.iter().map(|(_, progress)| progress.next).collect(),
            turn: 0,
            events: 0,
            bytes: 0,
            // Nothing is delivered before `assigned` has returned.
            busy: true,
            stage: Stage::Reading,
        };
        let reader = Arc::new(Self {
            epoch: acquired.owner.epoch,
            partition: acquired.owner.partition,
            assignee,
            logs,
            state: Lock::new(state),
        });
        for log in &reader.logs {
            log.follow(&reader);
        }
        reader
    }

    /// Tells the assignee, and delivers what it asks for thereupon.
    pub(super) fn start(self: &Arc<Self>, acquired: Acquired) {
        let demand = Arc::<Self>::clone(self);
        self.assignee.assigned(Assignment { acquired, demand });
        self.run();
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Stops deliveries and makes the last call about this assignment.
    pub(super) fn end(&self, ending: Ending) {
        for log in &self.logs {
            log.unfollow(self);
        }
        let former = std::mem::replace(&mut self.state.lock().stage, Stage::Ending(ending));
        // The token of a revocation that was overtaken by a loss takes locks of its own when it is let go.
        drop(former);
        self.pump();
    }

    /// Makes the calls that are due, unless another call is being made: then they follow that one.
    pub(super) fn pump(&self) {
        {
            let mut state = self.state.lock();
            if state.busy {
                return;
            }
            state.busy = true;
        }
        self.run();
    }

    fn run(&self) {
        while let Some(call) = self.due() {
            match call {
                Call::Deliver(batch) => self.assignee.delivered(batch),
                Call::End(Ending::Revoked(released)) => {
                    self.assignee.revoked(self.partition, self.epoch, released);
                }
                Call::End(Ending::Lost) => self.assignee.lost(self.partition, self.epoch),
                Call::End(Ending::Replaced(next, acquired)) => next.start(acquired),
            }
        }
    }

    /// The next call; if there is none, this thread is no longer the one that calls. Whoever appends does so before
    /// it looks at `busy`, and `busy` falls under the same lock under which the logs were found empty: nothing is
    /// forgotten between the two.
    fn due(&self) -> Option<Call> {
        let mut state = self.state.lock();
        let call = match std::mem::replace(&mut state.stage, Stage::Ended) {
            Stage::Reading => {
                state.stage = Stage::Reading;
                self.next_batch(&mut state).map(Call::Deliver)
            }
            Stage::Ending(ending) => Some(Call::End(ending)),
            Stage::Ended => None,
        };
        state.busy = call.is_some();
        call
    }

    fn next_batch(&self, state: &mut State) -> Option<Batch> {
        let events = state.events.min(PAGE);
        let bytes = usize::try_from(state.bytes.max(0)).unwrap_or(usize::MAX);
        if events == 0 || bytes == 0 {
            return None;
        }
        for _ in 0..self.logs.len() {
            let input = state.turn;
            state.turn = (input + 1) % self.logs.len();
            let records = self.logs[input].page(state.next[input], events, bytes);
            if let Some(last) = records.last() {
                state.next[input] = last.offset.next();
                state.events -= records.len();
                state.bytes -= records.iter().map(|record| record.size() as i128).sum::<i128>();
                return Some(Batch { epoch: self.epoch, partition: self.partition, input, records });
            }
        }
        None
    }
}

impl Demand for Reader {
    fn request(&self, events: usize, bytes: usize) {
        {
            let mut state = self.state.lock();
            state.events = state.events.saturating_add(events);
            state.bytes = state.bytes.saturating_add(bytes as i128);
        }
        self.pump();
    }
}
