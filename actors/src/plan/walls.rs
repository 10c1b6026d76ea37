//! What would let one namespace reach into another by the names of topics: refused before anything runs.

use pandaflow::{Declaration, Namespace, TopicName};

use super::Outline;

impl Outline {
    /// One sentence for each name that leads out of its namespace.
    pub(super) fn breaches(&self, processors: &[Declaration]) -> Vec<String> {
        let mut faults = self.domains_that_are_namespaces();
        for (declared, name) in &self.names {
            faults.extend(self.shared_output(processors, declared, name));
            faults.extend(self.foreign_topic(processors, declared, name));
        }
        faults
    }

    fn domains_that_are_namespaces(&self) -> Vec<String> {
        let shared = |namespace: &&Namespace| self.shared_domains.iter().any(|one| one == namespace.as_str());
        let fault = |namespace: &Namespace| {
            format!(
                "{namespace} is a namespace and a domain that all namespaces share: its own topics would be everybody's; rename \
                 one of them"
            )
        };
        self.namespaces.iter().filter(shared).map(fault).collect()
    }

    /// A topic under one full name that several namespaces would write to.
    fn shared_output(&self, processors: &[Declaration], declared: &str, name: &TopicName) -> Option<String> {
        if self.namespaces.len() < 2 {
            return None;
        }
        let emits = |one: &&Declaration| one.outputs.iter().any(|output| output.topic == declared);
        let emitter = processors.iter().find(emits)?.name;
        let namespaces: Vec<_> = self.namespaces.iter().map(Namespace::as_str).collect();
        Some(format!(
            "{emitter} emits to {declared}, which is called {name} in every namespace: what {} decide would lie in one topic; let it \
             keep its own name, or run one namespace",
            namespaces.join(" and ")
        ))
    }

    /// A topic under the full name of another namespace's.
    fn foreign_topic(&self, processors: &[Declaration], declared: &str, name: &TopicName) -> Option<String> {
        let (first, rest) = name.split_once('.')?;
        let of: Namespace = first.parse().ok()?;
        if !self.declares(processors, rest) || self.is_shared(rest) {
            return None;
        }
        let here = self.namespaces.iter().find(|namespace| **namespace != of)?;
        let user = processors.iter().find(|one| topics_of(one).contains(&declared))?.name;
        Some(format!(
            "{user} runs in {here} and uses {declared} under the name {name}, which is {rest} of the namespace {of}: nothing may pass \
             from one namespace to another; let it keep its own name"
        ))
    }

    /// Whether the program knows a topic of that name.
    fn declares(&self, processors: &[Declaration], name: &str) -> bool {
        self.topics.iter().any(|spec| spec.name == name)
            || processors.iter().any(|processor| topics_of(processor).contains(&name))
    }
}

fn topics_of(processor: &Declaration) -> Vec<&'static str> {
    let inputs = processor.inputs.iter().map(|input| input.topic);
    let outputs = processor.outputs.iter().map(|output| output.topic);
    let tables = processor.tables.iter().map(|table| table.topic);
    inputs.chain(outputs).chain(tables).collect()
}
