//! The state of keys in memory, over the store: bounded, and never without what is not settled yet.

use std::{num::NonZeroUsize, rc::Rc};

use bytes::Bytes;
use lru::LruCache;
use pandaflow::{Offset, TopicName, ports::StateChange};

use super::state_row;

/// One key's state.
struct Cached<S> {
    value: Rc<S>,
    /// Changed since the last settlement was cut.
    changed: bool,
    /// Settlements under way that carry an older value of it.
    settling: u32,
    /// The last event of each input that went into it since the last settlement was cut, where that is asked for.
    applied: Vec<(usize, Offset)>,
}

impl<S> Cached<S> {
    fn new(value: Rc<S>, changed: bool) -> Self {
        Self { value, changed, settling: 0, applied: Vec::new() }
    }

    fn apply(&mut self, input: usize, offset: Offset) {
        match self.applied.iter_mut().find(|(known, _)| *known == input) {
            Some((_, last)) => *last = offset.max(*last),
            None => self.applied.push((input, offset)),
        }
    }
}

/// Typed state of keys. What is changed or on its way to the store stays, whatever the bound says; the rest
/// is let go, least recently used first.
pub(crate) struct StateCache<S> {
    entries: LruCache<Bytes, Cached<S>>,
    capacity: usize,
    changed: Vec<Bytes>,
    /// Whether states are being loaded: then nothing is let go.
    loading: bool,
    /// The inputs, where the store asks for the last event that went into a state; none elsewhere.
    inputs: Vec<TopicName>,
}

impl<S: serde::Serialize> StateCache<S> {
    /// At most `capacity` keys, but for those that are not settled.
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            entries: LruCache::unbounded(),
            capacity: capacity.get(),
            changed: Vec::new(),
            loading: false,
            inputs: Vec::new(),
        }
    }

    /// The same cache, which notes per key the last event of each input that goes into its state.
    pub(crate) fn noting_applied(mut self, inputs: Vec<TopicName>) -> Self {
        self.inputs = inputs;
        self
    }

    pub(crate) fn get(&mut self, key: &Bytes) -> Option<Rc<S>> {
        self.entries.get(key).map(|cached| cached.value.clone())
    }

    pub(crate) fn contains(&self, key: &Bytes) -> bool {
        self.entries.contains(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// States are being loaded from now on. Until [`StateCache::end_loading`] nothing is let go, or what was read before
    /// a key changed could be taken for its state after that change was settled and let go.
    pub(crate) fn begin_loading(&mut self) {
        self.loading = true;
    }

    /// All that was loaded has been put.
    pub(crate) fn end_loading(&mut self) {
        self.loading = false;
        self.shrink();
    }

    /// Puts what the store has; what is here already is newer and stays.
    pub(crate) fn loaded(&mut self, key: Bytes, value: Rc<S>) {
        if !self.entries.contains(&key) {
            self.entries.put(key, Cached::new(value, false));
            self.shrink();
        }
    }

    /// Puts what a successful attempt at an event of an input made of it.
    pub(crate) fn change(&mut self, key: &Bytes, value: S, (input, offset): (usize, Offset)) {
        let noting = !self.inputs.is_empty();
        let cached = match self.entries.get_mut(key) {
            Some(cached) => {
                cached.value = Rc::new(value);
                cached
            }
            None => {
                self.entries.put(key.clone(), Cached::new(Rc::new(value), false));
                let Some(cached) = self.entries.get_mut(key) else { return };
                cached
            }
        };
        if noting {
            cached.apply(input, offset);
        }
        if !std::mem::replace(&mut cached.changed, true) {
            self.changed.push(key.clone());
        }
    }

    /// Takes the changes since the last call, encoded, one a key.
    pub(crate) fn cut(&mut self, version: u32) -> Result<Vec<StateChange>, state_row::StateError> {
        let keys = std::mem::take(&mut self.changed);
        let mut changes = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(cached) = self.entries.peek_mut(&key) else { continue };
            let value = state_row::encode(&key, version, &*cached.value)?;
            cached.changed = false;
            cached.settling += 1;
            let named = |(input, offset): (usize, Offset)| Some((self.inputs.get(input)?.clone(), offset));
            let applied = std::mem::take(&mut cached.applied).into_iter().filter_map(named).collect();
            changes.push(StateChange { key, value: Some(value), applied });
        }
        Ok(changes)
    }

    /// The changes of one cut are in the store.
    pub(crate) fn settled(&mut self, changes: &[StateChange]) {
        for change in changes {
            if let Some(cached) = self.entries.peek_mut(&change.key) {
                cached.settling = cached.settling.saturating_sub(1);
            }
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        if self.loading {
            return;
        }
        // Bounded: each turn lets one go or finds one that must stay, and as many turns as there are too many.
        for _ in self.capacity..self.entries.len() {
            match self.entries.pop_lru() {
                Some((key, cached)) if cached.changed || cached.settling > 0 => {
                    self.entries.put(key, cached);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &'static str) -> Bytes {
        Bytes::from_static(name.as_bytes())
    }

    fn settle(cache: &mut StateCache<u32>) {
        let changes = cache.cut(1).expect("numbers can be written");
        cache.settled(&changes);
    }

    #[test]
    fn the_least_recently_used_key_goes_and_one_that_is_not_settled_stays() {
        let mut cache = StateCache::new(NonZeroUsize::MIN);
        cache.change(&key("a"), 1, (0, Offset(0)));
        cache.loaded(key("b"), Rc::new(0));
        cache.loaded(key("c"), Rc::new(0));
        assert_eq!(cache.get(&key("a")).as_deref(), Some(&1));
        let changes = cache.cut(1).expect("numbers can be written");
        cache.loaded(key("d"), Rc::new(0));
        assert_eq!(cache.get(&key("a")).as_deref(), Some(&1), "on its way");
        cache.settled(&changes);
        cache.loaded(key("e"), Rc::new(0));
        assert!(!cache.contains(&key("a")));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn the_last_event_of_each_input_goes_with_a_change_where_it_is_asked_for() {
        let topics = ["a", "b"].map(TopicName::new);
        let mut cache = StateCache::new(NonZeroUsize::MIN).noting_applied(topics.to_vec());
        for event in [(0, Offset(4)), (1, Offset(2)), (0, Offset(7))] {
            cache.change(&key("k"), 1, event);
        }
        let [a, b] = topics;
        let mut applied = || cache.cut(1).expect("numbers can be written").pop().map(|change| change.applied);
        assert_eq!(applied(), Some(vec![(a, Offset(7)), (b, Offset(2))]));
        assert_eq!(applied(), None);
    }

    #[test]
    fn what_was_read_before_a_change_never_takes_its_place() {
        let mut cache = StateCache::new(NonZeroUsize::MIN);
        cache.begin_loading();
        // The store was read here: 0. Meanwhile the key is changed, settled, and others crowd in.
        cache.change(&key("a"), 1, (0, Offset(0)));
        settle(&mut cache);
        cache.loaded(key("b"), Rc::new(0));
        cache.loaded(key("c"), Rc::new(0));
        cache.loaded(key("a"), Rc::new(0));
        assert_eq!(cache.get(&key("a")).as_deref(), Some(&1));
        cache.end_loading();
        assert_eq!(cache.len(), 1);
    }
}
