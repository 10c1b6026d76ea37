//! How a source's thread is woken: by a commit, by demand, or to end. It never looks without being woken.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use pandaflow::ports::Demand;

use super::threads::Stop;

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
    /// Events and bytes asked for since the thread looked, by partition.
    demand: Vec<(usize, usize)>,
    order: Order,
    rung: bool,
}

impl Bell {
    pub(super) fn new(partitions: usize) -> Arc<Self> {
        let state = State { demand: vec![(0, 0); partitions], order: Order::Run, rung: true };
        Arc::new(Self { state: Mutex::new(state), rung: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has changed.
    pub(super) fn ring(&self) {
        self.lock().rung = true;
        self.rung.notify_one();
    }

    /// Gives an order; one that ends the subscription stays.
    pub(super) fn order(&self, order: Order) {
        let mut state = self.lock();
        if state.order == Order::Run || order == Order::Stop {
            state.order = order;
        }
        state.rung = true;
        drop(state);
        self.rung.notify_one();
    }

    /// Adds what was asked for to `budgets`, waiting for the bell first. Returns the order.
    pub(super) fn wait(&self, budgets: &mut [Budget]) -> Order {
        let mut state = self.lock();
        while !state.rung {
            state = self.rung.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.rung = false;
        state.take(budgets)
    }

    /// The same without waiting.
    pub(super) fn look(&self, budgets: &mut [Budget]) -> Order {
        self.lock().take(budgets)
    }
}

impl State {
    fn take(&mut self, budgets: &mut [Budget]) -> Order {
        for (asked, budget) in self.demand.iter_mut().zip(budgets) {
            budget.add(asked.0, asked.1);
            *asked = (0, 0);
        }
        self.order
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

/// The demand for one partition.
pub(super) struct PartitionDemand {
    pub(super) bell: Arc<Bell>,
    pub(super) place: usize,
}

impl Demand for PartitionDemand {
    fn request(&self, events: usize, bytes: usize) {
        let mut state = self.bell.lock();
        if let Some(asked) = state.demand.get_mut(self.place) {
            asked.0 = asked.0.saturating_add(events);
            asked.1 = asked.1.saturating_add(bytes);
        }
        state.rung = true;
        drop(state);
        self.bell.rung.notify_one();
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
            if listened.iter().any(|topic| topics.contains(topic)) {
                if let Some(bell) = bell.upgrade() {
                    bell.ring();
                }
            }
        }
    }
}
