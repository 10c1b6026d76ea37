//! Dead letters and dedup on PostgreSQL keep their parts of the contract. Runs against the server that `PANDAFLOW_TEST_POSTGRES`
//! names, as `tests/run` and `examples/servers/servers` set it; without it each test says that it is skipped.
#![cfg(feature = "postgres")]

#[path = "postgres_support/mod.rs"]
mod support;

use std::sync::Arc;

use pandaflow::{SystemClock, ports::Transport};
use pandaflow_actors::{
    testkit::contract::{Subject, WithStores},
    transport::memory::MemoryTransport,
};

use self::support::{Schema, runtime};

/// The memory transport with its dedup and dead-letter stores replaced.
struct OnPostgres {
    transport: Arc<WithStores>,
    _schema: Schema,
}

impl OnPostgres {
    fn at(url: &str) -> Self {
        let schema = Schema::make(url);
        let store = schema.store();
        runtime().block_on(store.migrate()).expect("the tables can be made twice");
        let memory = WithStores::new(Arc::new(MemoryTransport::new(Arc::new(SystemClock))));
        let transport = Arc::new(memory.dedup(store.dedup()).dead_letters(store.dead_letters()));
        Self { transport, _schema: schema }
    }
}

impl Subject for OnPostgres {
    fn transport(&self) -> Arc<dyn Transport> {
        self.transport.clone()
    }
}

mod inbox {
    use super::OnPostgres;

    pandaflow_actors::server_contract!(dedup, "PANDAFLOW_TEST_POSTGRES", OnPostgres::at);
}

mod letters {
    use super::OnPostgres;

    pandaflow_actors::server_contract!(dead_letters, "PANDAFLOW_TEST_POSTGRES", OnPostgres::at);
}
