//! What the supervisor owns of each host: enough to start it.

use std::sync::Arc;

use actix::{Actor, Recipient};
use pandaflow::{Group, Namespace, StreamProcessor, ports::TableView};

use super::{
    host::{DrainHost, Host, HostFailed, HostParts, Surroundings},
    supervisor::StartHost,
};
use crate::plan::PlannedProcessor;

/// Starts the host of one processor in one namespace.
pub(crate) struct HostSeed<P> {
    pub(crate) planned: PlannedProcessor,
    pub(crate) tables: Vec<Arc<dyn TableView>>,
    pub(crate) number: u32,
    pub(crate) factory: Arc<dyn Fn() -> P + Send + Sync>,
    pub(crate) surroundings: Surroundings,
}

impl<P: StreamProcessor> StartHost for HostSeed<P> {
    fn group(&self) -> &Group {
        &self.planned.group
    }

    fn who(&self) -> (&'static str, &Namespace) {
        (P::DECLARATION.name, &self.planned.namespace)
    }

    fn start(&self, supervisor: Recipient<HostFailed>) -> Recipient<DrainHost> {
        let parts = HostParts {
            namespace: self.planned.namespace.clone(),
            group: self.planned.group.clone(),
            inputs: self.planned.inputs.clone(),
            outputs: self.planned.outputs.clone(),
            tables: self.tables.clone(),
            number: self.number,
            factory: self.factory.clone(),
            surroundings: self.surroundings.clone(),
            supervisor,
        };
        Host::new(parts).start().recipient()
    }
}
