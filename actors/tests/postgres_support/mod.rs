//! What the tests on PostgreSQL stand on: a schema of a test's own, and a store in it.
#![allow(dead_code, reason = "not every test needs all of it")]

pub(crate) mod cut;

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use pandaflow_actors::transport::postgres::{PostgresConfig, PostgresStore};

/// The variable that has the server's address.
pub(crate) const SERVER: &str = "PANDAFLOW_TEST_POSTGRES";

/// The server's address; without one the test says that it is skipped.
pub(crate) fn server() -> Option<String> {
    let address = std::env::var(SERVER).ok().filter(|address| !address.is_empty());
    if address.is_none() {
        println!("skipped: {SERVER} is not set; tests/run sets it");
    }
    address
}

/// A schema of its own, so that tests that run at once don't meet. Dropped at the end.
pub(crate) struct Schema {
    server: String,
    pub(crate) name: String,
}

impl Schema {
    pub(crate) fn make(server: &str) -> Self {
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        run(server, &format!("CREATE SCHEMA {name}"));
        Self { server: server.to_owned(), name }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        self.url_at(&self.server)
    }

    /// Where it is, by way of another address of the server.
    pub(crate) fn url_at(&self, server: &str) -> String {
        format!("{server}?options=-c%20search_path%3D{}", self.name)
    }

    /// A store in it, with its tables.
    pub(crate) fn store(&self) -> PostgresStore {
        self.store_by(&PostgresConfig::new(self.url()))
    }

    pub(crate) fn store_by(&self, config: &PostgresConfig) -> PostgresStore {
        let store = PostgresStore::open(config).expect("a store can be made");
        // On a thread of its own: a check may run already, and can't wait for another one.
        let made = std::thread::scope(|scope| scope.spawn(|| runtime().block_on(store.migrate())).join());
        made.expect("nothing panics").expect("the tables can be made");
        store
    }

    /// Runs a statement in it.
    pub(crate) fn run(&self, sql: &str) {
        run(&self.url(), sql);
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        // Dropped within the runtime of a check, which can't wait for another one.
        let (server, drop) = (self.server.clone(), format!("DROP SCHEMA {} CASCADE", self.name));
        let dropping = std::thread::spawn(move || run(&server, &drop));
        assert!(dropping.join().is_ok() || std::thread::panicking(), "{} is left over", self.name);
    }
}

/// A connection of one's own.
pub(crate) async fn connect(url: &str) -> AsyncPgConnection {
    AsyncPgConnection::establish(url).await.expect("the server is up")
}

fn run(url: &str, sql: &str) {
    runtime().block_on(async {
        connect(url).await.batch_execute(sql).await.expect(sql);
    });
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}
