//! What outlives a process in a simulation: the log and the stores, the clock, and the watch over all of it.

use std::sync::Arc;

use pandaflow::{Group, Namespace, Partition, TopicName};

use super::{
    action::Place, audit::Audit, clock::SimulatedClock, trace::Trace, watch::Watch,
    watched_transport::WatchedTransport,
};
use crate::{Program, plan::Plan, testkit::TestKit, transport::memory::MemoryTransport};

/// A world without a process in it.
pub(super) struct World {
    pub(super) transport: WatchedTransport,
    pub(super) clock: Arc<SimulatedClock>,
    pub(super) watch: Arc<Watch>,
    program: Program,
    namespace: Namespace,
    layout: Layout,
}

/// What a program consists of, as far as a plan needs it.
pub(super) struct Layout {
    plan: Plan,
    pub(super) groups: Vec<Group>,
    pub(super) partitions: Vec<u32>,
    outputs: Vec<TopicName>,
}

impl Layout {
    /// # Panics
    /// If the program's declarations don't fit together.
    pub(super) fn of(program: &Program) -> Self {
        let plan =
            program.plan().unwrap_or_else(|error| panic!("the simulated program can't start: {error}"));
        let of = |topic: &TopicName| plan.topics.iter().find(|made| made.topic == *topic);
        let partitions = plan.processors.iter().map(|processor| {
            let first = processor.inputs.first().and_then(of);
            first.map_or(1, |topic| topic.partitions)
        });
        let mut outputs: Vec<TopicName> =
            plan.processors.iter().flat_map(|processor| processor.outputs.clone()).collect();
        outputs.sort();
        outputs.dedup();
        let groups = plan.processors.iter().map(|processor| processor.group.clone()).collect();
        Self { groups, partitions: partitions.collect(), outputs, plan }
    }

    /// Whether all who read a topic, directly, handle each id once.
    pub(super) fn is_repeatable(&self, program: &Program, topic: &TopicName) -> bool {
        let mut readers = self.plan.processors.iter().filter(|processor| processor.inputs.contains(topic));
        readers.all(|reader| program.declaration(reader.processor).dedup.is_some())
    }
}

/// A program as simulations run it.
pub(super) fn placed(program: Program) -> Program {
    program.in_some_namespace(TestKit::NAMESPACE)
}

impl World {
    pub(super) fn new(program: Program, trace: Trace) -> Self {
        let layout = Layout::of(&program);
        let mut audit = Audit::default();
        for processor in &layout.plan.processors {
            audit.add(processor.group.clone(), &program.declaration(processor.processor));
        }
        let clock = Arc::new(SimulatedClock::default());
        let watch = Watch::new(audit, trace, clock.clone());
        let transport = WatchedTransport::new(MemoryTransport::new(clock.clone()), watch.clone());
        let namespace = program.namespaces()[0].clone();
        Self { transport, clock, watch, program, namespace, layout }
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.layout.groups
    }

    pub(super) fn outputs(&self) -> &[TopicName] {
        &self.layout.outputs
    }

    pub(super) fn topic(&self, declared: &str) -> TopicName {
        self.program.topic_name(declared, &self.namespace)
    }

    pub(super) fn group(&self, processor: &str) -> Group {
        self.program.group(processor, &self.namespace)
    }

    /// What a plan calls a partition.
    pub(super) fn place(&self, place: Place) -> (&Group, Partition) {
        let processor = place.processor % self.layout.groups.len().max(1);
        (
            &self.layout.groups[processor],
            Partition(place.partition % self.layout.partitions[processor].max(1)),
        )
    }
}
