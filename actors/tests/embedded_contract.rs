//! The embedded transport keeps the contract of a transport.
#![cfg(feature = "embedded")]

use std::sync::Arc;

use pandaflow::ports::Transport;
use pandaflow_actors::{
    testkit::contract::Subject,
    transport::embedded::{EmbeddedConfig, EmbeddedTransport},
};

struct Embedded {
    folder: tempfile::TempDir,
    transport: Arc<EmbeddedTransport>,
}

impl Embedded {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let transport = EmbeddedTransport::open(folder.path(), EmbeddedConfig::default()).expect("it opens");
        Self { folder, transport: Arc::new(transport) }
    }
}

impl Subject for Embedded {
    fn transport(&self) -> Arc<dyn Transport> {
        self.transport.clone()
    }

    fn reopen(&mut self) -> bool {
        let transport = EmbeddedTransport::open(self.folder.path(), EmbeddedConfig::default());
        self.transport = Arc::new(transport.expect("it was closed, so it opens"));
        true
    }
}

pandaflow_actors::transport_contract!(Embedded::new);
