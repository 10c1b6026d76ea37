//! The plan of a program: which processors run in which namespace, on which topics. Pure, and checked as a whole.

mod walls;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use pandaflow::{Declaration, Group, Namespace, Partition, TopicName, TopicSpec, ports::TopicToCreate};

use crate::health::TaskKey;

/// What the program says of its surroundings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outline {
    pub(crate) topics: Vec<TopicSpec>,
    pub(crate) shared_domains: Vec<String>,
    pub(crate) group_prefix: Option<String>,
    pub(crate) namespaces: Vec<Namespace>,
    /// Full names of declared topics that are not called as ours are.
    pub(crate) names: BTreeMap<String, TopicName>,
}

/// One processor in one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedProcessor {
    /// Its place in the program's list of processors.
    pub(crate) processor: usize,
    /// Its name.
    pub(crate) name: &'static str,
    pub(crate) namespace: Namespace,
    pub(crate) group: Group,
    pub(crate) inputs: Vec<TopicName>,
    pub(crate) outputs: Vec<TopicName>,
    pub(crate) tables: Vec<TopicName>,
}

impl PlannedProcessor {
    /// How health and metrics call its task of partition 0.
    pub(crate) fn task(&self) -> TaskKey {
        TaskKey { namespace: self.namespace.clone(), processor: self.name.into(), partition: Partition(0) }
    }
}

/// What is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) topics: Vec<TopicToCreate>,
    pub(crate) processors: Vec<PlannedProcessor>,
}

/// Everything that is wrong with a program's declarations, all of it at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    /// One sentence each.
    pub faults: Vec<String>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("\n"))
    }
}

impl Outline {
    /// Lays the processors out over the namespaces.
    pub(crate) fn plan(&self, processors: &[Declaration]) -> Result<Plan, PlanError> {
        let faults = self.faults(processors);
        if !faults.is_empty() {
            return Err(PlanError { faults });
        }
        let mut plan = Plan::default();
        let mut topics: BTreeMap<TopicName, TopicToCreate> = BTreeMap::new();
        for namespace in &self.namespaces {
            let name = |declared: &str| self.name(declared, namespace);
            for spec in &self.topics {
                self.add(&mut topics, name(&spec.name), &spec.name, false);
            }
            for (place, declaration) in processors.iter().enumerate() {
                let inputs = declaration.inputs.iter().map(|input| input.topic);
                let outputs = declaration.outputs.iter().map(|output| output.topic);
                let tables = declaration.tables.iter().map(|table| table.topic);
                for declared in inputs.clone().chain(outputs.clone()) {
                    self.add(&mut topics, name(declared), declared, false);
                }
                for declared in tables.clone() {
                    self.add(&mut topics, name(declared), declared, true);
                }
                plan.processors.push(PlannedProcessor {
                    processor: place,
                    name: declaration.name,
                    namespace: namespace.clone(),
                    group: Group::new(self.prefix(), namespace, declaration.name),
                    inputs: inputs.map(name).collect(),
                    outputs: outputs.map(name).collect(),
                    tables: tables.map(name).collect(),
                });
            }
        }
        plan.topics = topics.into_values().collect();
        Ok(plan)
    }

    /// The full name of a declared topic.
    pub(crate) fn name(&self, declared: &str, namespace: &Namespace) -> TopicName {
        let given = self.names.get(declared).cloned();
        given.unwrap_or_else(|| TopicName::resolve(declared, namespace, &self.shared_domains))
    }

    /// The prefix of its consumer groups.
    pub(crate) fn prefix(&self) -> &str {
        self.group_prefix.as_deref().unwrap_or(Group::DEFAULT_PREFIX)
    }

    fn add(
        &self,
        topics: &mut BTreeMap<TopicName, TopicToCreate>,
        topic: TopicName,
        declared: &str,
        table: bool,
    ) {
        let spec = self.spec(declared);
        let entry = topics.entry(topic.clone()).or_insert_with(|| TopicToCreate {
            topic,
            partitions: spec.partitions,
            retention: spec.retention,
            table,
        });
        entry.table |= table;
    }

    fn spec(&self, declared: &str) -> TopicSpec {
        self.topics
            .iter()
            .find(|spec| spec.name == declared)
            .cloned()
            .unwrap_or_else(|| TopicSpec::new(declared))
    }

    fn is_shared(&self, declared: &str) -> bool {
        let domain = declared.split('.').next().unwrap_or(declared);
        self.shared_domains.iter().any(|shared| shared == domain)
    }

    fn faults(&self, processors: &[Declaration]) -> Vec<String> {
        let mut faults = Vec::new();
        if self.namespaces.is_empty() {
            faults.push("no namespace to run in: name one, for example paper".into());
        }
        for (place, namespace) in self.namespaces.iter().enumerate() {
            if self.namespaces[..place].contains(namespace) {
                faults.push(format!(
                    "namespace {namespace} is named twice: its processors would run twice; name it once"
                ));
            }
        }
        for (place, spec) in self.topics.iter().enumerate() {
            if self.topics[..place].iter().any(|other| other.name == spec.name) {
                faults.push(format!(
                    "topic {} is described twice: only one could hold; describe it once",
                    spec.name
                ));
            }
        }
        let mut names = BTreeSet::new();
        for declaration in processors {
            let name = declaration.name;
            if !names.insert(name) {
                faults.push(format!("two processors are called {name}: their progress and state would be one; rename one of them"));
            }
            let partitions: BTreeSet<u32> =
                declaration.inputs.iter().map(|input| self.spec(input.topic).partitions).collect();
            if partitions.len() > 1 {
                let inputs: Vec<_> = declaration
                    .inputs
                    .iter()
                    .map(|input| format!("{} has {}", input.topic, self.spec(input.topic).partitions))
                    .collect();
                faults.push(format!(
                    "the inputs of {name} must have equally many partitions, as events of one key must meet: {}",
                    inputs.join(", ")
                ));
            }
            for output in declaration.outputs.iter().filter(|output| self.is_shared(output.topic)) {
                faults.push(format!(
                    "{name} emits to {}, which all namespaces share: what one namespace decides would reach the others; emit to a topic of another domain",
                    output.topic
                ));
            }
        }
        faults.extend(self.breaches(processors));
        for spec in self.topics.iter().filter(|spec| spec.partitions == 0) {
            faults.push(format!("topic {} has no partitions: give it 1 at least", spec.name));
        }
        faults
    }
}
