//! The connections to the database, and the thread that drives them.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use diesel_async::{
    AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl,
    pooled_connection::{
        AsyncDieselConnectionManager,
        bb8::{Pool, PooledConnection},
    },
};
use diesel_migrations::MigrationHarness;
use futures_util::future::BoxFuture;
use pandaflow::{Clock, Timestamp, ports::StoreError};

use super::{PostgresConfig, schema::MIGRATIONS};
use crate::transport::side_thread::SideThread;

/// Which lock of the database processes that migrate at once wait for: "panda" as a number.
const MIGRATION_LOCK: &str = "SELECT pg_advisory_lock(482670535777)";

pub(super) type Connection = PooledConnection<'static, AsyncPgConnection>;

pub(super) struct Database {
    pool: Pool<AsyncPgConnection>,
    thread: SideThread,
    place: String,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl Database {
    pub(super) fn open(config: &PostgresConfig) -> Result<Self, StoreError> {
        let thread = SideThread::start("postgres")
            .map_err(|error| failed(format!("its thread can't be started: {error}")))?;
        let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new(&config.url);
        let pool = {
            let _inside = thread.enter();
            let pool = Pool::builder().max_size(config.connections.max(1));
            pool.connection_timeout(config.timeout).build_unchecked(manager)
        };
        let (place, timeout, clock) = (config.place(), config.timeout, Arc::clone(&config.clock));
        Ok(Self { pool, thread, place, timeout, clock })
    }

    /// Runs `work` on the thread, from now on.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        self.thread.run(work, drop)
    }

    /// The same; `unheard` gets what it came to if nobody waits for it any longer.
    pub(super) fn run_heard<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
        unheard: impl FnOnce(T) + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        self.thread.run(work, unheard)
    }

    /// Runs a query with a connection, within the time limit. A connection on which it was cut off is not used again.
    pub(super) async fn query<T, F>(
        &self,
        doing: &str,
        query: impl FnOnce(Connection) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = diesel::QueryResult<T>>,
    {
        let work = async {
            let connection = self.pool.get_owned().await.map_err(|error| self.failed(doing, &error))?;
            query(connection).await.map_err(|error| self.failed(doing, &error))
        };
        match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.failed(doing, &format_args!("no answer within {:?}", self.timeout))),
        }
    }

    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        // A connection that is not of the pool: its end lets go of the lock, whatever happens.
        let connection = self.pool.dedicated_connection();
        let connection = tokio::time::timeout(self.timeout, connection).await;
        let mut connection = match connection {
            Ok(connection) => connection.map_err(|error| self.failed("migrating", &error))?,
            Err(_) => {
                return Err(self.failed("migrating", &format_args!("no answer within {:?}", self.timeout)));
            }
        };
        let locked = diesel::sql_query(MIGRATION_LOCK).execute(&mut connection).await;
        locked.map_err(|error| self.failed("waiting to migrate", &error))?;
        let migrate = move || {
            let mut harness = AsyncMigrationHarness::new(connection);
            harness.run_pending_migrations(MIGRATIONS).map(drop).map_err(|error| error.to_string())
        };
        match tokio::task::spawn_blocking(migrate).await {
            Ok(outcome) => outcome.map_err(|error| self.failed("migrating", &error)),
            Err(error) => Err(self.failed("migrating", &error)),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn failed(&self, doing: &str, error: &dyn fmt::Display) -> StoreError {
        failed(format!("{}, {doing}: {error}", self.place))
    }
}

fn failed(message: String) -> StoreError {
    StoreError { store: "postgres", message }
}
