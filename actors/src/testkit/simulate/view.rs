//! What an invariant of the user's looks at.

use pandaflow::{
    DeadLetter, Event, Payload, Record, StreamProcessor,
    codec::{Decode, EnvelopeFormat},
    policy::ledger::Ledger,
};
use serde::de::DeserializeOwned;

use super::world::World;
use crate::runtime::decode_state;

/// Whether a run still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Something may be under way.
    UnderWay,
    /// All that was sent has ended.
    Ended,
}

/// What is settled at one moment of a run.
pub struct View<'a> {
    world: &'a World,
    /// Whether the run has ended.
    pub moment: Moment,
}

impl<'a> View<'a> {
    pub(super) fn new(world: &'a World, moment: Moment) -> Self {
        Self { world, moment }
    }

    /// All records on a declared topic, in the order of their partitions and offsets.
    #[must_use]
    pub fn records(&self, topic: &str) -> Vec<Record> {
        self.world.transport.memory.records(&self.world.topic(topic))
    }

    /// All events on a declared topic that can be read as `E`, in the same order.
    #[must_use]
    pub fn events<E: Payload + DeserializeOwned>(&self, topic: &str) -> Vec<Event<E>> {
        let records = self.records(topic);
        records
            .iter()
            .filter_map(|record| EnvelopeFormat::decode(record, record.value.as_ref()?).ok())
            .collect()
    }

    /// The settled state of a key; the default one if there is none.
    ///
    /// # Panics
    /// If the stored bytes don't fit.
    #[must_use]
    pub fn state<P: StreamProcessor>(&self, key: &str) -> P::State {
        let declaration = P::DECLARATION;
        let group = self.world.group(declaration.name);
        let stored = self.world.transport.memory.state(&group, key.as_bytes());
        stored.map_or_else(P::State::default, |bytes| {
            decode_state(key.as_bytes(), declaration.state_version, &bytes)
                .expect("the stored state fits its type")
        })
    }

    /// The settled ledger of a processor.
    #[must_use]
    pub fn ledger<P: StreamProcessor>(&self) -> Ledger {
        self.world.transport.memory.ledger(&self.world.group(P::DECLARATION.name))
    }

    /// All dead letters, oldest first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.world.transport.memory.dead_letters().into_iter().map(|stored| stored.letter).collect()
    }
}
