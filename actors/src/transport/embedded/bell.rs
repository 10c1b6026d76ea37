//! How a source's thread is woken: by a commit, by demand, or to end. It never looks without being woken.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use pandaflow::ports::Demand;

use super::{queue::Reply, threads::Stop};

/// What a source's thread is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Order {
    /// Deliver.
    #[default]
    Run,
    /// Give all partitions back.
    Close,
    /// Another subscription of the group has taken over.
    Lose,
    /// The transport is gone.
    Stop,
}

/// The bell of one subscription.
#[derive(Debug)]
pub(super) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug)]
struct State {
    asked: Vec<Asked>,
    restarts: Vec<Restart>,
    order: Order,
    rung: bool,
}

/// What was asked for of one partition since the thread looked.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    events: usize,
    bytes: usize,
    /// How often the partition was started over: what earlier owners ask for counts no more.
    round: u64,
}

/// A partition to be started over.
#[derive(Debug)]
pub(super) struct Restart {
    pub(super) place: usize,
    pub(super) reply: Reply<()>,
}

impl Bell {
    pub(super) fn new(partitions: usize) -> Arc<Self> {
        let asked = vec![Asked::default(); partitions];
        let state = State { asked, restarts: Vec::new(), order: Order::Run, rung: true };
        Arc::new(Self { state: Mutex::new(state), rung: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring_after(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.rung = true;
        drop(state);
        self.rung.notify_one();
    }

    /// Something has changed.
    pub(super) fn ring(&self) {
        self.ring_after(|_| {});
    }

    /// Gives an order; one that ends the subscription stays.
    pub(super) fn order(&self, order: Order) {
        self.ring_after(|state| {
            if state.order == Order::Run || order == Order::Stop {
                state.order = order;
            }
        });
    }

    /// Asks to start a partition over. Dropped without an answer if the subscription has ended.
    pub(super) fn restart(&self, restart: Restart) {
        self.ring_after(|state| {
            if state.order == Order::Run && restart.place < state.asked.len() {
                state.restarts.push(restart);
            }
        });
    }

    /// Adds what was asked for to `budgets`, waiting for the bell first. Returns what else is to be done.
    pub(super) fn wait(&self, budgets: &mut [Budget]) -> (Order, Vec<Restart>) {
        let mut state = self.lock();
        while !state.rung {
            state = self.rung.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.rung = false;
        state.take(budgets)
    }

    /// The same without waiting.
    pub(super) fn look(&self, budgets: &mut [Budget]) -> (Order, Vec<Restart>) {
        self.lock().take(budgets)
    }

    /// The demand of a new owner of a partition; that of the one before counts no more.
    pub(super) fn new_demand(self: &Arc<Self>, place: usize) -> Arc<PartitionDemand> {
        let mut state = self.lock();
        let round = state.asked[place].round + 1;
        state.asked[place] = Asked { round, ..Asked::default() };
        Arc::new(PartitionDemand { bell: self.clone(), place, round })
    }
}

impl State {
    fn take(&mut self, budgets: &mut [Budget]) -> (Order, Vec<Restart>) {
        for (asked, budget) in self.asked.iter_mut().zip(budgets) {
            budget.add(asked.events, asked.bytes);
            *asked = Asked { round: asked.round, ..Asked::default() };
        }
        (self.order, std::mem::take(&mut self.restarts))
    }
}

impl Stop for Bell {
    fn stop(&self) {
        self.order(Order::Stop);
    }
}

/// What may be delivered of a partition. Bytes go below zero by the last record, and later requests pay for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Budget {
    pub(super) events: usize,
    pub(super) bytes: i64,
}

impl Budget {
    fn add(&mut self, events: usize, bytes: usize) {
        self.events = self.events.saturating_add(events);
        self.bytes = self.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(super) fn is_open(self) -> bool {
        self.events > 0 && self.bytes > 0
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.events -= 1;
        self.bytes = self.bytes.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// The demand of one owner of a partition.
pub(super) struct PartitionDemand {
    bell: Arc<Bell>,
    place: usize,
    round: u64,
}

impl Demand for PartitionDemand {
    fn request(&self, events: usize, bytes: usize) {
        self.bell.ring_after(|state| {
            let asked = &mut state.asked[self.place];
            if asked.round == self.round {
                asked.events = asked.events.saturating_add(events);
                asked.bytes = asked.bytes.saturating_add(bytes);
            }
        });
    }
}

/// All bells, by the topics that they listen to. Rung by the writer.
#[derive(Debug, Default)]
pub(super) struct Bells(Mutex<Vec<(Vec<i32>, Weak<Bell>)>>);

impl Bells {
    pub(super) fn hang(&self, topics: Vec<i32>, bell: &Arc<Bell>) {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|(_, bell)| bell.strong_count() > 0);
        bells.push((topics, Arc::downgrade(bell)));
    }

    /// Rings whoever listens to one of the topics.
    pub(super) fn ring(&self, topics: &[i32]) {
        if topics.is_empty() {
            return;
        }
        for (listened, bell) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if listened.iter().any(|topic| topics.contains(topic))
                && let Some(bell) = bell.upgrade()
            {
                bell.ring();
            }
        }
    }
}
