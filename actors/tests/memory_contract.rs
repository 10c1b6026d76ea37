//! The memory transport keeps the contract of a transport.

use std::sync::Arc;

use pandaflow::{SystemClock, ports::Transport};
use pandaflow_actors::{testkit::contract::Subject, transport::memory::MemoryTransport};

struct Memory(MemoryTransport);

impl Subject for Memory {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.0.clone())
    }

    /// Another handle on the same memory: what a second life in one process sees.
    fn reopen(&mut self) -> bool {
        true
    }
}

pandaflow_actors::transport_contract!(|| Memory(MemoryTransport::new(Arc::new(SystemClock))));
