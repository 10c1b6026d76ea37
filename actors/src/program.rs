//! A program: its processors, its topics and its namespaces, before it runs.

use std::sync::Arc;

use pandaflow::{
    Declaration, Group, Namespace, StreamProcessor, TopicName, TopicSpec,
    policy::topic_plan::WantedTopic,
    ports::{TableView, Transport},
};

use crate::{
    StartError,
    plan::{Outline, Plan, PlanError, PlannedProcessor},
    runtime::{HostSeed, StartHost, Surroundings},
};

/// One registered processor, its type put away.
trait Registered {
    fn declaration(&self) -> Declaration;
    fn host(
        &self,
        planned: &PlannedProcessor,
        tables: Vec<Arc<dyn TableView>>,
        number: u32,
        surroundings: Surroundings,
    ) -> Box<dyn StartHost>;
}

struct Factory<P>(Arc<dyn Fn() -> P + Send + Sync>);

impl<P: StreamProcessor> Registered for Factory<P> {
    fn declaration(&self) -> Declaration {
        P::DECLARATION
    }

    fn host(
        &self,
        planned: &PlannedProcessor,
        tables: Vec<Arc<dyn TableView>>,
        number: u32,
        surroundings: Surroundings,
    ) -> Box<dyn StartHost> {
        Box::new(HostSeed { planned: planned.clone(), tables, number, factory: self.0.clone(), surroundings })
    }
}

/// What is to run: processors by their factories, the topics' shapes, and the namespaces.
///
/// A factory is called once for each lane that is used, so a processor that needs something heavy, such as a
/// connection pool, takes a shared one (`Arc`) into the closure.
#[derive(Default)]
pub struct Program {
    processors: Vec<Box<dyn Registered>>,
    outline: Outline,
}

impl Program {
    /// An empty program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a processor. Processors start in this order.
    #[must_use]
    pub fn processor<P: StreamProcessor>(mut self, factory: impl Fn() -> P + Send + Sync + 'static) -> Self {
        self.processors.push(Box::new(Factory(Arc::new(factory))));
        self
    }

    /// Says what a topic is made with. Topics that nobody describes have 6 partitions and keep 7 days.
    #[must_use]
    pub fn topic(mut self, topic: TopicSpec) -> Self {
        self.outline.topics.push(topic);
        self
    }

    /// Says that all namespaces share the topics of a domain: with `market`, `market.ticks` has no namespace
    /// before it, and no processor may emit to it.
    #[must_use]
    pub fn shared_domain(mut self, domain: impl Into<String>) -> Self {
        self.outline.shared_domains.push(domain.into());
        self
    }

    /// Reads and writes a declared topic under this full name, in every namespace: for topics of other systems, whose
    /// names are not ours.
    #[must_use]
    pub fn topic_called(mut self, declared: impl Into<String>, name: TopicName) -> Self {
        self.outline.names.insert(declared.into(), name);
        self
    }

    /// The prefix of its consumer groups; `pandaflow` by default.
    #[must_use]
    pub fn group_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.outline.group_prefix = Some(prefix.into());
        self
    }

    /// Adds a namespace to run in.
    #[must_use]
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.outline.namespaces.push(namespace);
        self
    }

    /// The program in `namespace`, unless it has one.
    #[cfg(feature = "testkit")]
    pub(crate) fn in_some_namespace(mut self, namespace: &str) -> Self {
        if self.outline.namespaces.is_empty() {
            self.outline.namespaces.extend(namespace.parse());
        }
        self
    }

    /// The namespaces that it runs in.
    #[must_use]
    pub fn namespaces(&self) -> &[Namespace] {
        &self.outline.namespaces
    }

    /// The full name of a declared topic in a namespace.
    #[must_use]
    pub fn topic_name(&self, declared: &str, namespace: &Namespace) -> TopicName {
        self.outline.name(declared, namespace)
    }

    /// The consumer group of a processor in a namespace.
    #[must_use]
    pub fn group(&self, processor: &str, namespace: &Namespace) -> Group {
        Group::new(self.outline.prefix(), namespace, processor)
    }

    /// The topics that it needs of a broker: those that it declares, the dead letters of those that it reads, and its
    /// processors' changelogs.
    ///
    /// # Errors
    /// The declarations don't fit together.
    pub fn wanted_topics(&self) -> Result<Vec<WantedTopic>, PlanError> {
        Ok(self.plan()?.wanted_topics())
    }

    /// Makes the declared topics that are not there, for whoever publishes before the program runs.
    ///
    /// # Errors
    /// The declarations don't fit together, or the transport can't make a topic.
    pub async fn create_topics(&self, transport: &dyn Transport) -> Result<(), StartError> {
        Ok(transport.create_topics(self.plan()?.topics).await?)
    }

    pub(crate) fn plan(&self) -> Result<Plan, PlanError> {
        self.outline.plan(&self.declarations().collect::<Vec<_>>())
    }

    /// What its processors declare.
    pub(crate) fn declarations(&self) -> impl Iterator<Item = Declaration> {
        self.processors.iter().map(|processor| processor.declaration())
    }

    pub(crate) fn declaration(&self, place: usize) -> Declaration {
        self.processors[place].declaration()
    }

    pub(crate) fn host(
        &self,
        planned: &PlannedProcessor,
        tables: Vec<Arc<dyn TableView>>,
        number: u32,
        surroundings: Surroundings,
    ) -> Box<dyn StartHost> {
        self.processors[planned.processor].host(planned, tables, number, surroundings)
    }
}
