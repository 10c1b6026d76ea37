//! Dead letters and dedup on PostgreSQL keep their parts of the contract. Runs against the server that `PANDAFLOW_TEST_POSTGRES`
//! names, as `tests/run` and `examples/servers/servers` set it; without it each test says that it is skipped.
#![cfg(feature = "postgres")]

use std::sync::Arc;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use pandaflow::{SystemClock, ports::Transport};
use pandaflow_actors::{
    testkit::contract::{Subject, WithStores},
    transport::{
        memory::MemoryTransport,
        postgres::{PostgresConfig, PostgresStore},
    },
};

/// The memory transport with its dedup and dead-letter stores replaced.
struct OnPostgres {
    transport: Arc<WithStores>,
    url: String,
    schema: String,
}

impl OnPostgres {
    /// In a schema of its own, so that tests that run at once don't meet.
    fn at(url: &str) -> Self {
        let schema = format!("test_{}", uuid::Uuid::now_v7().simple());
        run(url, &format!("CREATE SCHEMA {schema}"));
        let config = PostgresConfig::new(format!("{url}?options=-c%20search_path%3D{schema}"));
        let store = PostgresStore::open(&config).expect("a store can be made");
        runtime().block_on(store.migrate()).expect("the tables can be made");
        runtime().block_on(store.migrate()).expect("they can be made twice");
        let memory = WithStores::new(Arc::new(MemoryTransport::new(Arc::new(SystemClock))));
        let transport = Arc::new(memory.dedup(store.dedup()).dead_letters(store.dead_letters()));
        Self { transport, url: url.to_owned(), schema }
    }
}

impl Subject for OnPostgres {
    fn transport(&self) -> Arc<dyn Transport> {
        self.transport.clone()
    }
}

impl Drop for OnPostgres {
    fn drop(&mut self) {
        // Dropped within the runtime of the check, which can't wait for another one.
        let (url, drop) = (self.url.clone(), format!("DROP SCHEMA {} CASCADE", self.schema));
        let dropping = std::thread::spawn(move || run(&url, &drop));
        assert!(dropping.join().is_ok() || std::thread::panicking(), "{} is left over", self.schema);
    }
}

fn run(url: &str, sql: &str) {
    runtime().block_on(async {
        let mut connection = AsyncPgConnection::establish(url).await.expect("the server is up");
        connection.batch_execute(sql).await.expect(sql);
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

mod inbox {
    use super::OnPostgres;

    pandaflow_actors::server_contract!(dedup, "PANDAFLOW_TEST_POSTGRES", OnPostgres::at);
}

mod letters {
    use super::OnPostgres;

    pandaflow_actors::server_contract!(dead_letters, "PANDAFLOW_TEST_POSTGRES", OnPostgres::at);
}
